//! `user import` and `user export`: what becomes of a file, through the service on a real Postgres, and through the binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use auth_server::passwords::{Reader, Settings};
use auth_server::users::Refusal;
use auth_server::users::export::{ExportFormat, export};
use auth_server::users::import::{Format, ImportError, ImportOptions, ImportReport, NoPassword, Rows, import};
use shared::db::Pool;

use crate::app::{self, TestApp};
use crate::users::{PASSWORD, clock, create, insert_old, plain, refusal, stored_hash, users, who};

const STRICT: ImportOptions = ImportOptions { skips_bad: false, skips_existing: false, is_dry_run: false };
const SKIPPING: ImportOptions = ImportOptions { skips_bad: true, ..STRICT };
/// Of all fixtures: "zwölf grüne Äpfel fallen", in the composed form.
const IMPORTED: &str = "zwölf grüne Äpfel fallen";
const BCRYPT: &str = "$2b$04$RwYVKKlH3PoffRb0VAQl9OAaXuDVYEiVUK3T65OeKSpgj0sPYuEUa";

async fn read(
    pool: &Pool,
    file: &str,
    format: Format,
    no_password: NoPassword,
    options: ImportOptions,
) -> Result<ImportReport, ImportError> {
    let rows = Rows::open(file.as_bytes(), format, Reader::new(&Settings::default()).unwrap(), no_password)?;
    import(&mut pool.acquire().await.unwrap(), rows, options, clock().now()).await
}

async fn csv(pool: &Pool, file: &str, options: ImportOptions) -> ImportReport {
    read(pool, file, Format::Csv, NoPassword::Refused, options).await.unwrap()
}

fn faults(report: &ImportReport) -> Vec<String> {
    let line = |fault: &auth_server::users::import::Fault| {
        format!("{} {} {}", fault.line, fault.field.unwrap_or("-"), fault.reason)
    };
    report.faults.iter().map(line).collect()
}

async fn addresses(pool: &Pool) -> Vec<String> {
    sqlx::query_scalar("select email from myapi.users order by email").fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p12_every_kind_of_hash_logs_in_and_becomes_argon2id(pool: Pool) {
    let app = TestApp::new(pool).await;
    let files = [
        (Format::Csv, include_str!("users_import/passlib_and_django.csv")),
        (Format::Jsonl, include_str!("users_import/passlib_and_django.jsonl")),
        (Format::Keycloak, include_str!("users_import/keycloak.json")),
    ];
    for (format, file) in files {
        let report = read(&app.pool, file, format, NoPassword::Refused, STRICT).await.unwrap();
        assert_eq!((faults(&report), report.is_written), (vec![], true));
    }
    let imported: Vec<(String, String)> =
        sqlx::query_as("select email, hashed_password from myapi.users where password_changed_at is null")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(imported.len(), 18);
    for (email, _) in &imported {
        let before = app.state.users.lane().counts().begun;
        app.token(&app::login(email, "zwölf grüne Äpfel falle")).await.assert_error(400, "invalid_grant");
        let answer = app.token(&app::login(email, IMPORTED)).await;
        assert_eq!(answer.status, 200, "{email}: {}", answer.body);
        assert_eq!(app.state.users.lane().counts().begun, before + 2, "{email}: a login is one piece of work");
        assert!(stored_hash(&app.pool, email).await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{email}");
        assert_eq!(app.token(&app::login(email, IMPORTED)).await.status, 200, "{email}, upgraded");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn one_bad_row_leaves_the_table_as_it_was_unless_bad_rows_are_skipped(pool: Pool) {
    let file = format!("email,name,hashed_password\na@x.org,Ann,{BCRYPT}\nb@x.org,Bob,hunter2hunter2\n");
    let report = csv(&pool, &file, STRICT).await;
    assert!(report.is_refused(STRICT) && !report.is_written);
    let expected = "3 hashed_password is of no known kind: argon2, bcrypt, PBKDF2 and scrypt are, as PHC strings or in \
                    the forms of passlib, Django and Keycloak";
    assert_eq!(faults(&report), [expected], "a text that may be a password is not repeated");
    assert!(addresses(&pool).await.is_empty());
    let report = csv(&pool, &file, SKIPPING).await;
    assert_eq!((report.rows, report.inserted, report.skipped, report.is_written), (2, 1, 1, true));
    assert_eq!(addresses(&pool).await, ["a@x.org"]);
    let user = users(&pool).get(&who("a@x.org")).await.unwrap();
    assert_eq!((user.name.as_deref(), user.created_at, user.password_changed_at), (Some("Ann"), clock().now(), None));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_dry_run_counts_and_writes_nothing(pool: Pool) {
    let file = format!("hashed_password,email\r\n{BCRYPT},a@x.org\r\n");
    let report = csv(&pool, &file, ImportOptions { is_dry_run: true, ..STRICT }).await;
    assert_eq!((report.inserted, report.is_written, report.kinds["bcrypt"]), (1, false, 1));
    assert!(addresses(&pool).await.is_empty());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_an_address_that_is_there_already_is_bad_or_passed_over(pool: Pool) {
    let users = users(&pool);
    create(&users, "ann@x.org").await;
    insert_old(&pool, "Bob@x.org", None).await;
    insert_old(&pool, "bob@x.org", None).await;
    insert_old(&pool, "Carol@x.org", None).await;
    insert_old(&pool, "not an address", None).await;
    let rows: String = ["ANN@x.org", "BOB@x.org", "carol@x.org", "dave@x.org", "Dave@X.org.", "аnn@x.org"]
        .map(|email| format!("{email},{BCRYPT}\n"))
        .concat();
    let file = format!("email,hashed_password\n{rows}");
    let report = csv(&pool, &file, STRICT).await;
    let expected = [
        "2 email is a user's already (--skip-existing passes over those)",
        "3 email is a user's already (--skip-existing passes over those)",
        "4 email is a user's already (--skip-existing passes over those)",
        "6 email is the address of line 5 already",
    ];
    assert_eq!((faults(&report), report.is_written), (expected.map(str::to_owned).to_vec(), false));
    let report = csv(&pool, &file, ImportOptions { skips_existing: true, ..SKIPPING }).await;
    assert_eq!((report.inserted, report.existing, report.skipped), (2, 3, 1));
    // The Cyrillic letter is another letter, and so another user.
    for email in ["dave@x.org", "аnn@x.org"] {
        users.authenticate(email, &plain(IMPORTED)).await.unwrap();
    }
    users.authenticate("ann@x.org", &plain(PASSWORD)).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_each_fault_is_named_with_line_and_field(pool: Pool) {
    let file = format!(
        "email,name,hashed_password,disabled\n\
         john @x.org,,{BCRYPT},\n\
         ,,,\n\
         a@x.org,\"x\ny\",!unusable,maybe\n\
         b@x.org,b,$2b$31$RwYVKKlH3PoffRb0VAQl9OAaXuDVYEiVUK3T65OeKSpgj0sPYuEUa,f\n\
         c@x.org,c\n"
    );
    let report = csv(&pool, &file, STRICT).await;
    insta::assert_snapshot!(faults(&report).join("\n"), @r#"
    2 email "john @x.org" is none: an e-mail address has no spaces and no invisible characters
    3 email is missing
    3 hashed_password is empty or Django's mark of no password: --allow-no-password imports such users without one
    4 name "x\ny" is none: a name is 1 to 200 characters without control characters
    4 hashed_password is empty or Django's mark of no password: --allow-no-password imports such users without one
    4 disabled is true or false, not "maybe"
    6 hashed_password asks for more memory or time than a login may take here
    7 - has 2 fields where the header has 4
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn json_lines_say_the_same(pool: Pool) {
    let file = format!(
        "{{\"email\":\"a@x.org\",\"hashed_password\":\"{BCRYPT}\",\"disabled\":true,\"email_verified\":true}}\n\n\
         {{\"email\":1,\"hashed_password\":\"hunter2hunter2\"}}\n[]\n{{\"email\":\"b@x.org\"\n{{\"email\":null}}\n"
    );
    let report = read(&pool, &file, Format::Jsonl, NoPassword::Refused, SKIPPING).await.unwrap();
    insta::assert_snapshot!(faults(&report).join("\n"), @r#"
    3 - is not a JSON object with email, name and hashed_password: a member is of the wrong type or there twice (character 10)
    4 - is not a JSON object
    5 - is not a JSON object with email, name and hashed_password: it is broken (character 18)
    6 email is missing
    6 hashed_password is empty or Django's mark of no password: --allow-no-password imports such users without one
    "#);
    let user = users(&pool).get(&who("a@x.org")).await.unwrap();
    assert_eq!((user.email_verified, user.disabled_at), (true, Some(clock().now())));
    assert_eq!(refusal(users(&pool).authenticate("a@x.org", &plain(IMPORTED)).await), Refusal::Disabled);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn users_without_a_password_are_imported_when_that_is_meant(pool: Pool) {
    let file = "email,hashed_password\na@x.org,\nb@x.org,!On5JfQa9yoXPygXgENWZkuBCeQSB1f6xSWyCdwP8\n";
    assert_eq!(csv(&pool, file, STRICT).await.skipped, 2);
    let report = read(&pool, file, Format::Csv, NoPassword::Allowed, STRICT).await.unwrap();
    assert_eq!((report.inserted, report.kinds["none"]), (2, 2));
    assert_eq!(refusal(users(&pool).authenticate("a@x.org", &plain("")).await), Refusal::NoPassword);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_realm_brings_its_disabled_users_as_disabled(pool: Pool) {
    let credential = r#"{"type":"password","secretData":"{\"value\":\"bDnkzTXaDDSsbQhm9yDefIp8tMbVSrPC9BJ0aHbYtBs2EfaN/co46oFT7ZRV6sKJAaKQmQukaIABu9CrneabeA==\",\"salt\":\"o4C3j8yYO1xtOJpBHgqvwg==\"}","credentialData":"{\"hashIterations\":1000,\"algorithm\":\"pbkdf2-sha256\"}"}"#;
    let file = format!(
        r#"{{"realm":"r","roles":{{"users":[1]}},"users":[
            {{"username":"off@x.org","enabled":false,"firstName":"Ann","lastName":"Off","credentials":[{{"type":"otp","secretData":"{{}}","credentialData":"{{}}"}},{credential}]}},
            {{"username":"robot","credentials":[{credential}]}},
            {{"username":"n","email":"none@x.org","emailVerified":true,"credentials":[]}},
            {{"username":7}}],"clients":[]}}"#
    );
    let report = read(&pool, &file, Format::Keycloak, NoPassword::Refused, SKIPPING).await.unwrap();
    insta::assert_snapshot!(faults(&report).join("\n"), @r#"
    2 email "robot" is none: an e-mail address is one name, `@`, and a domain
    3 hashed_password is empty or Django's mark of no password: --allow-no-password imports such users without one
    4 - is not a user as Keycloak writes it
    "#);
    let user = users(&pool).get(&who("off@x.org")).await.unwrap();
    assert_eq!((user.name.as_deref(), user.is_active()), (Some("Ann Off"), false));
    assert_eq!(refusal(users(&pool).authenticate("off@x.org", &plain(IMPORTED)).await), Refusal::Disabled);
    for (file, said) in [
        ("[]", "`users` is missing or no list (line 1)"),
        ("{\"users\":{}}", "`users` is missing or no list (line 1)"),
        ("{\"users\":[\n{", "it is no JSON from line 2 on"),
    ] {
        let error = read(&pool, file, Format::Keycloak, NoPassword::Refused, STRICT).await.unwrap_err().to_string();
        assert!(error.ends_with(said), "{error}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn faults_beyond_the_bound_are_counted_and_many_rows_arrive_whole(pool: Pool) {
    let bad: String = (0..1200).map(|number| format!("bad {number}@x.org,{BCRYPT}\n")).collect();
    let good: String = (0..2500).map(|number| format!("good{number}@x.org,{BCRYPT}\n")).collect();
    let report = csv(&pool, &format!("email,hashed_password\n{bad}{good}"), SKIPPING).await;
    assert_eq!((report.faults.len(), report.more_faults, report.skipped, report.inserted), (1000, 200, 1200, 2500));

    let mut written = Vec::new();
    let count = export(&mut pool.acquire().await.unwrap(), &mut written, ExportFormat::Csv).await.unwrap();
    assert_eq!((count, String::from_utf8(written).unwrap().lines().count()), (2500, 2501));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_export_holds_no_secret_and_can_be_imported_again(pool: Pool) {
    let users = users(&pool);
    create(&users, "ann@x.org").await;
    create(&users, "bob@x.org").await;
    users.disable(&who("bob@x.org")).await.unwrap();
    users.set_scopes(&who("bob@x.org"), Some("email profile".parse().unwrap())).await.unwrap();
    let mut files = Vec::new();
    for format in [ExportFormat::Csv, ExportFormat::Jsonl] {
        let mut written = Vec::new();
        assert_eq!(export(&mut pool.acquire().await.unwrap(), &mut written, format).await.unwrap(), 2);
        let text = String::from_utf8(written).unwrap();
        assert!(!text.contains("argon2") && !text.contains("hash"), "{text}");
        files.push(text);
    }
    let sub = users.get(&who("bob@x.org")).await.unwrap().sub;
    assert_eq!(
        files[0].lines().nth(2).unwrap(),
        format!("{sub},bob@x.org,,false,true,email profile,2027-01-15T08:00:00Z,2027-01-15T08:00:00Z")
    );
    let line: serde_json::Value = serde_json::from_str(files[1].lines().nth(1).unwrap()).unwrap();
    assert_eq!((&line["scopes"], &line["disabled"]), (&"email profile".into(), &true.into()));
    for (file, format) in files.iter().zip([Format::Csv, Format::Jsonl]) {
        sqlx::query("delete from myapi.users").execute(&pool).await.unwrap();
        let report = read(&pool, file, format, NoPassword::Allowed, STRICT).await.unwrap();
        assert_eq!((report.inserted, faults(&report)), (2, vec![]));
        assert!(!users.get(&who("bob@x.org")).await.unwrap().is_active());
    }
}
