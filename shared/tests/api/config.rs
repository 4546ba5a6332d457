//! Settings by layers: which one wins, what is refused and in which words, and that no message holds a secret.

use std::fs;
use std::path::PathBuf;

use rstest::rstest;
use secrecy::ExposeSecret as _;
use shared::config::{CommonConfig, ConfigError, Environment, Setting, Settings, Sources};

const OWN: &[Setting] = &[
    Setting::new("MYAPI_AUTH__BIND", "127.0.0.1:8001", "where to listen"),
    Setting::new("MYAPI_AUTH__KEY_RELOAD", "10", "seconds"),
    Setting::optional("MYAPI_AUTH__CORS_ORIGINS", "origins"),
    Setting::secret("MYAPI_AUTH__DATABASE_URL", "the database"),
    Setting::secret("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "the key"),
];
const SECRET: &str = "hunter2-hunter2-hunter2";

/// A private folder with the files that layers are read from.
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        path
    }
}

fn pairs(values: &[(&str, &str)]) -> Vec<(String, String)> {
    values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn environment(values: &[(&str, &str)]) -> Sources {
    Sources { environment: pairs(values), ..Sources::default() }
}

fn load(sources: &Sources) -> Result<Settings, ConfigError> {
    Settings::load("AUTH", OWN, sources)
}

fn refusal(values: &[(&str, &str)]) -> String {
    load(&environment(values)).err().unwrap().to_string()
}

fn origin(settings: &Settings, name: &str) -> String {
    settings.show().find(|(setting, ..)| setting.name == name).unwrap().2
}

#[test]
fn o09_flags_win_over_environment_over_dotenv_over_file_over_defaults() {
    let folder = Folder::new();
    let name = "MYAPI_AUTH__KEY_RELOAD";
    let mut sources = Sources::default();
    let mut expect = |change: &dyn Fn(&mut Sources), expected: u32, from: &str| {
        change(&mut sources);
        let settings = load(&sources).unwrap();
        assert_eq!(settings.get::<u32>(name).unwrap(), expected);
        assert!(origin(&settings, name).ends_with(from), "{}", origin(&settings, name));
    };
    expect(&|_| {}, 10, "default");
    let file = folder.write("auth.toml", "[auth]\nkey_reload = 2\n");
    expect(&|sources| sources.file = Some(file.clone()), 2, "auth.toml");
    let dotenv = folder.write(".env", "# a comment\nMYAPI_AUTH__KEY_RELOAD=3\nOTHER=x\n");
    expect(&|sources| sources.dotenv = Some(dotenv.clone()), 3, ".env");
    expect(&|sources| sources.environment = pairs(&[(name, "4"), ("PATH", "/bin")]), 4, "environment");
    expect(&|sources| sources.flags = pairs(&[(name, "5")]), 5, "flag");
}

#[test]
fn a_layer_hides_only_what_it_sets() {
    let folder = Folder::new();
    let file = folder.write("auth.toml", "env = \"stage\"\n[auth]\nbind = \"[::1]:1\"\nkey_reload = 2\n");
    let sources = Sources { file: Some(file), ..environment(&[("MYAPI_AUTH__KEY_RELOAD", "4")]) };
    let settings = load(&sources).unwrap();
    assert_eq!(settings.get::<String>("MYAPI_AUTH__BIND").unwrap(), "[::1]:1");
    assert_eq!(settings.get::<u32>("MYAPI_AUTH__KEY_RELOAD").unwrap(), 4);
    assert_eq!(settings.get::<Environment>("MYAPI_ENV").unwrap(), Environment::Stage);
}

#[test]
fn lists_are_commas_or_toml_arrays() {
    let folder = Folder::new();
    let file = folder.write("auth.toml", "[auth]\ncors_origins = [\"https://a.org\", \"https://b.org\"]\n");
    let from_file = load(&Sources { file: Some(file), ..Sources::default() }).unwrap();
    let from_text = load(&environment(&[("MYAPI_AUTH__CORS_ORIGINS", " https://a.org ,, https://b.org,")])).unwrap();
    for settings in [from_file, from_text] {
        assert_eq!(settings.list::<String>("MYAPI_AUTH__CORS_ORIGINS").unwrap(), ["https://a.org", "https://b.org"]);
    }
    assert!(load(&Sources::default()).unwrap().list::<String>("MYAPI_AUTH__CORS_ORIGINS").unwrap().is_empty());
    let wrong = load(&environment(&[("MYAPI_AUTH__CORS_ORIGINS", "1,two")])).unwrap();
    let refused = wrong.list::<u8>("MYAPI_AUTH__CORS_ORIGINS").unwrap_err().to_string();
    assert_eq!(
        refused,
        "MYAPI_AUTH__CORS_ORIGINS (from environment) has the item `two`: invalid digit found in string"
    );
}

/// What other programs are told by its standard name; tests are built with traces.
#[test]
fn the_collectors_standard_name_counts_where_ours_is_not_set() {
    const STANDARD: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318");
    let shown = |variables: &[(&str, &str)]| {
        let settings = load(&environment(variables)).unwrap();
        let endpoint = settings.show().find(|(setting, ..)| setting.name == "MYAPI_OTLP__ENDPOINT").unwrap();
        (endpoint.1, endpoint.2)
    };
    let value = |text: &str| Some(text.to_owned());
    assert_eq!(shown(&[]), (None, "unset".to_owned()));
    assert_eq!(shown(&[STANDARD]), (value(STANDARD.1), STANDARD.0.to_owned()));
    let ours = ("MYAPI_OTLP__ENDPOINT", "https://collector.example");
    assert_eq!(shown(&[STANDARD, ours]), (value(ours.1), "environment".to_owned()));
}

#[rstest]
#[case::near("MYAPI_AUTH__BNID", Some("MYAPI_AUTH__BIND"))]
#[case::section("MYAPI_ATUH__BIND", Some("MYAPI_AUTH__BIND"))]
#[case::underscore("MYAPI_AUTH_BIND", Some("MYAPI_AUTH__BIND"))]
#[case::common("MYAPI_DATABASE__DEF", Some("MYAPI_DATABASE__DEV"))]
#[case::table("MYAPI_DATABASE", None)]
#[case::twin_of_no_secret("MYAPI_AUTH__BIND_FILE", Some("MYAPI_AUTH__BIND"))]
#[case::twice("MYAPI_MYAPI_ENV", None)]
#[case::far("MYAPI_AUTH__QUITE_ANOTHER_THING_ALTOGETHER", None)]
#[case::index("MYAPI_AUTH__BIND[0]", Some("MYAPI_AUTH__BIND"))]
#[case::path("MYAPI_AUTH.BIND", Some("MYAPI_AUTH__BIND"))]
#[case::lower_case("MYAPI_AUTH__bind", Some("MYAPI_AUTH__BIND"))]
#[case::empty("MYAPI_", None)]
fn o09_a_name_that_nobody_knows_is_refused_with_the_nearest(#[case] name: &str, #[case] near: Option<&str>) {
    let refused = refusal(&[(name, SECRET)]);
    assert!(refused.contains("is not a setting"), "{refused}");
    assert!(!refused.contains(SECRET), "{refused}");
    match near {
        Some(near) => assert!(refused.ends_with(&format!("; did you mean {near}?")), "{refused}"),
        None => assert!(!refused.contains("did you mean"), "{refused}"),
    }
}

#[test]
fn o09_an_unknown_name_tells_the_layer_that_it_stands_in() {
    let folder = Folder::new();
    let file = folder.write("auth.toml", "[auth]\nisuer = \"x\"\n");
    let refused = load(&Sources { file: Some(file.clone()), ..Sources::default() }).err().unwrap().to_string();
    assert!(refused.starts_with(&format!("MYAPI_AUTH__ISUER (from {}) is not a setting", file.display())), "{refused}");
    let dotenv = folder.write(".env", "MYAPI_AUTH__BNID=x\n");
    let refused = load(&Sources { dotenv: Some(dotenv), ..Sources::default() }).err().unwrap().to_string();
    assert_eq!(refused, "MYAPI_AUTH__BNID (from .env) is not a setting; did you mean MYAPI_AUTH__BIND?");
}

#[rstest]
#[case::other_service("MYAPI_MOVIES__BIND")]
#[case::its_secret("MYAPI_MOVIES__DATABASE_URL_FILE")]
#[case::service_to_come("MYAPI_REVIEWS__ANYTHING")]
#[case::tests("MYAPI_TEST_REQUIRE")]
fn names_of_other_services_are_passed_over(#[case] name: &str) {
    let settings = load(&environment(&[(name, "x")])).unwrap();
    assert!(settings.notices().is_empty());
    assert_eq!(settings.find::<String>(name).unwrap(), None);
}

#[test]
fn names_of_the_old_application_get_one_notice_each() {
    let old = [
        ("MYAPI_TOKEN_KEY", SECRET),
        ("MYAPI_DATABASE__DSN", "postgresql+psycopg2://u:hunter2-hunter2-hunter2@db.example:5433/movies"),
        ("MYAPI_DATABASE__TARGET_SCHEMA", "myapi"),
    ];
    let settings = load(&environment(&old)).unwrap();
    assert_eq!(settings.notices().len(), 3);
    for (name, _) in old {
        assert_eq!(settings.notices().iter().filter(|notice| notice.starts_with(name)).count(), 1, "{name}");
    }
    assert!(!settings.notices().concat().contains(SECRET));
    let common = CommonConfig::read(&settings, "AUTH").unwrap();
    let options = common.database.options;
    assert_eq!((options.get_host(), options.get_port(), options.get_database()), ("db.example", 5433, Some("movies")));
    assert_eq!(common.database.variable, "MYAPI_DATABASE__DSN");

    let refused = refusal(&[("MYAPI_DATABASE__TARGET_SCHEMA", "public")]);
    assert_eq!(refused, "MYAPI_DATABASE__TARGET_SCHEMA (from environment) is `public`, but the schema is always myapi");
}

#[test]
fn the_database_is_the_services_own_then_that_of_the_environment_then_the_old_name() {
    let mut values = Vec::new();
    let mut expect = |name: &'static str, variable: &str| {
        values.push((name, "postgres://u:p@h/d"));
        values.push(("MYAPI_ENV", "Prod"));
        let settings = load(&environment(&values)).unwrap();
        assert_eq!(CommonConfig::read(&settings, "AUTH").unwrap().database.variable, variable);
    };
    expect("MYAPI_DATABASE__DSN", "MYAPI_DATABASE__DSN");
    expect("MYAPI_DATABASE__DEV", "MYAPI_DATABASE__DSN");
    expect("MYAPI_DATABASE__PROD", "MYAPI_DATABASE__PROD");
    expect("MYAPI_AUTH__DATABASE_URL", "MYAPI_AUTH__DATABASE_URL");
    let missing = CommonConfig::read(&load(&Sources::default()).unwrap(), "AUTH").unwrap_err();
    assert_eq!(missing.to_string(), "MYAPI_DATABASE__DEV is not set: Postgres URL for MYAPI_ENV=dev");
}

#[rstest]
#[case::scheme("mysql://u:hunter2-hunter2-hunter2@h/d")]
#[case::port("postgres://u:hunter2-hunter2-hunter2@h:port/d")]
#[case::slash_in_password("postgres://u:hunter2-hunter2-hunter2/x@h/d")]
#[case::tls("postgres://u:hunter2-hunter2-hunter2@h/d?sslmode=maybe")]
#[case::bare("hunter2-hunter2-hunter2")]
fn secrets_are_in_no_error(#[case] url: &str) {
    let settings = load(&environment(&[("MYAPI_DATABASE__DEV", url)])).unwrap();
    let refused = CommonConfig::read(&settings, "AUTH").unwrap_err();
    let text = format!("{refused} {refused:?}");
    assert!(text.starts_with("MYAPI_DATABASE__DEV (from environment) is not a Postgres URL"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
    // A secret that is read as another type is not repeated either.
    let text = settings.get::<u32>("MYAPI_DATABASE__DEV").unwrap_err().to_string();
    assert!(text.contains("not shown") && !text.contains("hunter2"), "{text}");
}

#[rstest]
#[case::toml_string("[auth]\nkey_encryption_key = \"hunter2-hunter2-hunter2\n", 2)]
#[case::toml_bare("[auth]\n\nkey_encryption_key = hunter2-hunter2-hunter2\n", 3)]
#[case::toml_twice("[auth]\nbind = \"x\"\nbind = \"hunter2-hunter2-hunter2\"\n", 3)]
#[case::toml_tail("[auth]\nkey_encryption_key = \"x\" hunter2-hunter2-hunter2\n", 2)]
#[case::toml_key("hunter2-hunter2-hunter2 oops\n", 1)]
fn a_broken_file_is_named_with_its_line_and_not_quoted(#[case] text: &str, #[case] line: usize) {
    let file = Folder::new();
    let path = file.write("auth.toml", text);
    let refused = load(&Sources { file: Some(path.clone()), ..Sources::default() }).err().unwrap().to_string();
    let place = format!("{}: TOML parse error at line {line}, column ", path.display());
    assert!(refused.starts_with(&place), "{refused}");
    assert!(!refused.contains("hunter2") && !refused.contains('\n'), "{refused}");
}

#[test]
fn a_broken_dotenv_is_named_and_not_quoted() {
    let folder = Folder::new();
    let path = folder.write(".env", "MYAPI_ENV=dev\nMYAPI_AUTH__KEY_ENCRYPTION_KEY=\"hunter2-hunter2\n");
    let refused = load(&Sources { dotenv: Some(path.clone()), ..Sources::default() }).err().unwrap().to_string();
    assert!(refused.starts_with(&path.display().to_string()), "{refused}");
    assert!(!refused.contains("hunter2"), "{refused}");
}

#[test]
fn a_missing_file_is_an_error_and_a_missing_dotenv_is_none() {
    let nowhere = Folder::new().0.path().join("none.toml");
    assert!(load(&Sources { dotenv: Some(nowhere.clone()), ..Sources::default() }).is_ok());
    let refused = load(&Sources { file: Some(nowhere.clone()), ..Sources::default() }).err().unwrap().to_string();
    assert!(refused.starts_with(&nowhere.display().to_string()) && refused.contains("cannot be read: "), "{refused}");
}

#[test]
fn a_secret_comes_from_its_file_trimmed() {
    let folder = Folder::new();
    let path = folder.write("key", &format!("  {SECRET}\n"));
    let settings = load(&environment(&[("MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE", path.to_str().unwrap())])).unwrap();
    let found = settings.find_secret("MYAPI_AUTH__KEY_ENCRYPTION_KEY").unwrap().unwrap();
    assert_eq!(found.expose_secret(), SECRET);
    let shown: Vec<_> = settings.show().filter_map(|(setting, value, _)| Some((setting.name, value?))).collect();
    assert!(shown.contains(&("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "(set)".to_owned())), "{shown:?}");
    assert!(!format!("{shown:?}").contains(SECRET));
}

#[test]
fn o09_a_twin_beside_its_variable_and_files_that_cannot_be_used_are_refused() {
    const NAME: &str = "MYAPI_AUTH__KEY_ENCRYPTION_KEY";
    const TWIN: &str = "MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE";
    let folder = Folder::new();
    let full = folder.write("full", SECRET);
    let empty = folder.write("empty", " \n");
    let gone = folder.0.path().join("gone");
    let refused =
        |values: &[(&str, &str)]| load(&environment(values)).unwrap().find_secret(NAME).unwrap_err().to_string();
    let both = refused(&[(NAME, SECRET), (TWIN, full.to_str().unwrap())]);
    assert_eq!(both, format!("{TWIN} (from environment) is set beside {NAME}: keep one"));
    let nothing = refused(&[(TWIN, empty.to_str().unwrap())]);
    assert_eq!(nothing, format!("{TWIN} (from environment) names an empty file, `{}`", empty.display()));
    let missing = refused(&[(TWIN, gone.to_str().unwrap())]);
    assert!(
        missing.starts_with(&format!("{TWIN} (from environment) names the file `{}`: ", gone.display())),
        "{missing}"
    );
    // An empty variable counts as not set, so it is no second source.
    let settings = load(&environment(&[(NAME, " "), (TWIN, full.to_str().unwrap())])).unwrap();
    assert_eq!(settings.find_secret(NAME).unwrap().unwrap().expose_secret(), SECRET);
}

#[rstest]
#[case("dev", "0.0.0.0:1", false)]
#[case("dev", "127.0.0.1:1", true)]
#[case("dev", "[::1]:1", true)]
#[case("stage", "0.0.0.0:1", true)]
fn o09_dev_listens_on_loopback_only(#[case] name: &str, #[case] bind: &str, #[case] is_good: bool) {
    let values = [("MYAPI_ENV", name), ("MYAPI_AUTH__BIND", bind), ("MYAPI_AUTH__DATABASE_URL", "postgres://u@h/d")];
    let settings = load(&environment(&values)).unwrap();
    let bound = CommonConfig::read(&settings, "AUTH").unwrap().bind(&settings, "MYAPI_AUTH__BIND");
    assert_eq!(bound.is_ok(), is_good, "{bound:?}");
}

#[test]
fn a_value_that_does_not_parse_is_named_with_what_would_do() {
    let settings = load(&environment(&[("MYAPI_ENV", "production"), ("MYAPI_AUTH__KEY_RELOAD", "soon")])).unwrap();
    let refused = CommonConfig::read(&settings, "AUTH").unwrap_err().to_string();
    assert_eq!(refused, "MYAPI_ENV (from environment) is `production`: it is one of dev, stage, prod");
    let refused = settings.get::<u32>("MYAPI_AUTH__KEY_RELOAD").unwrap_err().to_string();
    assert_eq!(refused, "MYAPI_AUTH__KEY_RELOAD (from environment) is `soon`: invalid digit found in string");
}
