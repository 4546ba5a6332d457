//! `client apply`: a file in, a difference out; all of it or nothing.

use serde_json::{Value, json};
use shared::db::Pool;

use crate::app::{CONFIDENTIAL, PUBLIC, TestApp};
use crate::process::binary::{Binary, Ended, Process};

const FILE: &str = r#"
[clients.web]
name = "Web shop"
kind = "public"
grants = ["password", "refresh_token"]
scopes = ["movies:read", "profile"]
default_scopes = ["movies:read"]
redirect_uris = ["https://shop.example.com/callback"]
refresh_token_ttl = 86400

[clients.jobs]
grants = ["client_credentials"]
scopes = ["movies:write"]
"#;

struct Files {
    app: TestApp,
    binary: Binary,
}

impl Files {
    async fn new(pool: Pool) -> Self {
        let app = TestApp::new(pool.clone()).await;
        Self { app, binary: Binary::on(&pool) }
    }

    fn apply(&self, text: &str, flags: &[&str]) -> Ended {
        self.binary.run_with(&[&["client", "apply", "-"][..], flags].concat(), text)
    }

    #[track_caller]
    fn json(&self, text: &str, flags: &[&str]) -> Value {
        let ended = self.apply(text, &[flags, &["--output", "json"]].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    }

    /// The one line that says why not.
    #[track_caller]
    fn refused(&self, text: &str, flags: &[&str]) -> String {
        let ended = self.apply(text, flags);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        ended.stderr.trim_end().strip_prefix("error: -: ").unwrap_or(&ended.stderr).to_owned()
    }

    async fn ids(&self) -> Vec<String> {
        self.app.state.clients.list().await.unwrap().iter().map(|client| client.client_id.to_string()).collect()
    }

    /// Whether client credentials buy a token.
    async fn is_good(&self, id: &str, secret: &str) -> bool {
        self.app.token_basic(id, secret, &[("grant_type", "client_credentials")]).await.status == 200
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_file_is_shown_then_applied_and_the_second_time_there_is_nothing_to_do(pool: Pool) {
    let files = Files::new(pool).await;
    let shown = files.apply(FILE, &["--dry-run"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    insta::assert_snapshot!(shown.stdout, @r#"
    + jobs
        application_type           "web"
        audience                   "http://127.0.0.1:8000"
        default_scopes             "movies:write"
        grants                     ["client_credentials"]
        kind                       "confidential"
        name                       "jobs"
        scopes                     "movies:write"
        token_endpoint_auth_method "secret"
    + web
        application_type           "web"
        audience                   "http://127.0.0.1:8000"
        default_scopes             "movies:read"
        grants                     ["password","refresh_token"]
        kind                       "public"
        name                       "Web shop"
        redirect_uris              ["https://shop.example.com/callback"]
        refresh_token_ttl          86400
        scopes                     "movies:read profile"
        token_endpoint_auth_method "none"
    2 to create, 0 to update, 0 to delete; nothing was changed.
    "#);
    assert_eq!(files.ids().await, [PUBLIC, CONFIDENTIAL], "nothing was changed");

    let plan = files.json(FILE, &[]);
    assert_eq!((&plan["applied"], &plan["not_described"]), (&json!(true), &json!([PUBLIC, CONFIDENTIAL])));
    let [jobs, web] = plan["changes"].as_array().unwrap().as_slice() else { panic!("{plan}") };
    assert_eq!((&jobs["client_id"], &jobs["action"]), (&json!("jobs"), &json!("create")));
    assert_eq!((&web["client_id"], web.get("client_secret")), (&json!("web"), None));
    let secret = jobs["client_secret"].as_str().unwrap();
    assert!(files.is_good("jobs", secret).await);

    let again = files.apply(FILE, &[]);
    assert_eq!((again.code, again.stdout.as_str()), (Some(0), "Nothing to do.\n"));
    assert_eq!(again.stderr, "Not in the file, and left alone without --prune: app, backend\n");
    assert!(files.is_good("jobs", secret).await, "the secret is the same");

    let changed =
        FILE.replace("86400", "3600").replace("\"password\", ", "").replace("refresh_token\"]", "password\"]");
    let plan = files.json(&changed, &["--dry-run"]);
    assert_eq!(
        plan["changes"],
        json!([{ "client_id": "web", "action": "update", "fields": [
            { "field": "grants", "from": ["password", "refresh_token"], "to": ["password"] },
            { "field": "refresh_token_ttl", "from": 86400, "to": 3600 },
        ]}])
    );
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn prune_deletes_what_the_file_lacks_and_says_so_before(pool: Pool) {
    let files = Files::new(pool).await;
    files.json(FILE, &[]);
    let only_web = FILE.split("[clients.jobs]").next().unwrap();
    let shown = files.apply(only_web, &["--dry-run", "--prune"]);
    assert_eq!(shown.stdout, "- app\n- backend\n- jobs\n0 to create, 0 to update, 3 to delete; nothing was changed.\n");
    assert_eq!(files.ids().await.len(), 4);
    let done = files.apply(only_web, &["--prune"]);
    assert!(done.stdout.ends_with("0 created, 0 updated, 3 deleted.\n"), "{}", done.stdout);
    assert_eq!(files.ids().await, ["web"]);
    let feed: Vec<(String, String)> = sqlx::query_as("select kind, subject from myapi.revocations order by subject")
        .fetch_all(&files.app.pool)
        .await
        .unwrap();
    let killed = ["app", "backend", "jobs"].map(|id| ("client".to_owned(), id.to_owned()));
    assert_eq!(feed, killed, "their tokens are revoked");

    let gone = files.refused(FILE, &[]);
    assert_eq!(gone, "line 11: the client_id `jobs` is taken or was taken before: choose another");
    assert!(files.refused(FILE, &["--dry-run"]).contains("taken"), "a dry run tells it too");
    assert!(files.refused("# nothing\n", &["--prune"]).contains("every client would be deleted"));
    assert_eq!(files.ids().await, ["web"]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn one_mistake_undoes_all_and_names_line_client_and_field(pool: Pool) {
    let files = Files::new(pool).await;
    let with = |line: &str| format!("{FILE}{line}\n");
    let cases = [
        (with("grant = []"), "line 14: client `jobs`: there is no field `grant`: did you mean `grants`?"),
        (
            with("redirect_uris = ['javascript:x']"),
            "line 14: client `jobs`: redirect_uris: `javascript:x` has another scheme",
        ),
        (with("serves = 'urn:x'"), "line 14: client `jobs`: serves: no resource server has the audience `urn:x`"),
        (with("refresh_token_ttl = 7776001"), "line 14: client `jobs`: refresh_token_ttl: 7776001 is not from 3 to"),
        (with("kind = 'public'"), "line 12: client `jobs`: grants: client_credentials is for confidential"),
        (
            with("[clients.backend]\nkind = 'public'\ngrants = []\nscopes = []"),
            "line 15: the client `backend` is confidential, which does not change",
        ),
        (
            with("secret_hashes = []"),
            "line 14: client `jobs`: secret_hashes: a confidential client has one secret or two",
        ),
        (with("\u{7}"), "line 14: "),
    ];
    for (text, expected) in cases {
        let said = files.refused(&text, &[]);
        assert!(said.starts_with(expected), "{said}\n{expected}");
        assert_eq!(files.ids().await, [PUBLIC, CONFIDENTIAL]);
    }
    let missing = files.binary.run(&["client", "apply", "no-such-file.toml"]);
    assert!(missing.stderr.starts_with("error: cannot read no-such-file.toml: "), "{}", missing.stderr);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn secrets_can_come_from_elsewhere_by_their_hashes(pool: Pool) {
    let files = Files::new(pool).await;
    let made = || {
        let made = Binary::bare().json(&["client", "new-secret"]);
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("client_secret"), text("secret_hash"))
    };
    let ((old, old_hash), (new, new_hash)) = (made(), made());
    let with = |hashes: &[&str]| format!("{FILE}secret_hashes = {hashes:?}\n");
    let plan = files.json(&with(&[&old_hash]), &[]);
    assert!(!plan.to_string().contains("client_secret\":"), "nothing to print: {plan}");
    assert!(files.is_good("jobs", &old).await);
    // Rolling: both for a while, in either order, then the new one alone.
    let plan = files.json(&with(&[&new_hash, &old_hash]), &[]);
    assert_eq!(plan["changes"][0]["fields"][0]["field"], "secret_hashes");
    assert!(files.is_good("jobs", &old).await && files.is_good("jobs", &new).await);
    assert_eq!(files.json(&with(&[&old_hash, &new_hash]), &[])["changes"], json!([]));
    files.json(&with(&[&new_hash]), &[]);
    assert!(!files.is_good("jobs", &old).await && files.is_good("jobs", &new).await);
    // A file that does not speak of secrets leaves them alone.
    assert_eq!(files.json(FILE, &[])["changes"], json!([]));
    assert!(files.is_good("jobs", &new).await);
    assert!(files.refused(&with(&[&new]), &[]).contains("secret_hashes: `mcs1_"), "a secret itself is no hash");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_file_undoes_no_emergency_unless_it_says_so(pool: Pool) {
    let files = Files::new(pool).await;
    files.json(FILE, &[]);
    files.binary.json(&["client", "disable", "web"]);
    assert_eq!(files.json(FILE, &[])["changes"], json!([]));
    let disabled = async || files.app.state.clients.get(&"web".parse().unwrap()).await.unwrap().disabled_at.is_some();
    assert!(disabled().await);
    let web = |disabled: &str| FILE.replace("kind = \"public\"", &format!("kind = \"public\"\ndisabled = {disabled}"));
    let plan = files.json(&web("false"), &[]);
    assert_eq!(plan["changes"][0]["fields"], json!([{ "field": "disabled", "from": true, "to": false }]));
    assert!(!disabled().await);
    files.json(&web("true"), &[]);
    assert!(disabled().await);
    let feed: i64 =
        sqlx::query_scalar("select count(*) from myapi.revocations").fetch_one(&files.app.pool).await.unwrap();
    assert_eq!(feed, 2, "each disabling revokes");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn two_at_once_come_one_after_the_other(pool: Pool) {
    let files = Files::new(pool).await;
    let path = files.binary.write("clients.toml", FILE);
    let arguments = ["client", "apply", &path, "--output", "json"];
    let runs: Vec<_> = (0..4).map(|_| Process::spawn(files.binary.command(&arguments), "")).collect();
    let mut changes = Vec::new();
    for run in runs {
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let plan: Value = serde_json::from_str(&ended.stdout).unwrap();
        changes.push(plan["changes"].as_array().unwrap().len());
    }
    changes.sort_unstable();
    assert_eq!(changes, [0, 0, 0, 2], "one did it, the others found nothing to do");
}

const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn keys_and_demands_stand_in_the_file(pool: Pool) {
    let files = Files::new(pool).await;
    let plain = "[clients.jobs]\ngrants = ['client_credentials']\nscopes = ['movies:read']\n";
    let secret = files.json(plain, &[])["changes"][0]["client_secret"].as_str().unwrap().to_owned();
    let text = format!(
        "{plain}token_endpoint_auth_method = 'private_key_jwt'\njwks = '{JWKS}'\n\
         require_pushed_authorization_requests = true\ndpop_bound_access_tokens = true\n"
    );
    let plan = files.json(&text, &[]);
    let fields: Vec<_> = plan["changes"][0]["fields"].as_array().unwrap().iter().map(|field| &field["field"]).collect();
    let expected = [
        "dpop_bound_access_tokens",
        "jwks",
        "require_pushed_authorization_requests",
        "secret_hashes",
        "token_endpoint_auth_method",
    ];
    assert_eq!(fields, expected);
    assert!(!files.is_good("jobs", &secret).await, "the secret ended with the change to a key");
    assert_eq!(files.apply(&text, &[]).stdout, "Nothing to do.\n");
    let new = files.json(&text.replace("clients.jobs", "clients.more"), &[]);
    assert_eq!(new["changes"][0].get("client_secret"), None, "who signs needs no secret");

    let weak = text.replace("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", &format!("AQ{}", "A".repeat(41)));
    let cases = [
        (weak, "line 5: client `jobs`: jwks: "),
        (text.replace("\"x\"", "\"d\":\"AA\",\"x\""), "line 5: client `jobs`: jwks: "),
        (format!("{text}jwks_uri = 'https://a.example/'\n"), "line 8: client `jobs`: jwks_uri: the keys are in jwks"),
        (format!("{plain}jwks_uri = 'http://a.example/'\n"), "line 4: client `jobs`: jwks_uri: `http://a.example/`: "),
        (format!("{plain}jwks = '{JWKS}'\n"), "line 4: client `jobs`: jwks: keys are for a client whose"),
        (
            format!("{plain}token_endpoint_auth_method = 'private_key_jwt'\n"),
            "line 4: client `jobs`: token_endpoint_auth_method: private_key_jwt needs",
        ),
        (
            format!("{plain}token_endpoint_auth_method = 'none'\n"),
            "line 4: client `jobs`: token_endpoint_auth_method: a confidential client authenticates",
        ),
        (format!("{plain}audiences = ['urn:nobody']\n"), "line 4: client `jobs`: audiences: no resource server"),
        (format!("{text}secret_hashes = ['sha256:{}']\n", "A".repeat(43)), "line 8: client `jobs`: secret_hashes: "),
    ];
    for (text, expected) in cases {
        let said = files.refused(&text, &[]);
        assert!(said.starts_with(expected), "{said}");
    }
}
