//! Commands: `migrate` eight times at once, machine-readable results, exit codes.

use std::process::Stdio;

use serde_json::Value;
use shared::db::{MIGRATOR, Pool};

use super::binary::{Binary, Process};
use crate::app::{AUDIENCE, EMAIL, PUBLIC, TestApp};

#[sqlx::test]
async fn f22_of_eight_processes_one_migrates_and_all_succeed(pool: Pool) {
    let binary = Binary::on(&pool);
    let count = MIGRATOR.iter().count();
    let missing = binary.json(&["migrate", "status"]);
    assert_eq!(missing.as_array().unwrap().len(), count);
    assert!(missing.as_array().unwrap().iter().all(|migration| migration["applied_at"].is_null()), "{missing}");

    let arguments = ["migrate", "--roles", "--output", "json"];
    let runs: Vec<_> = (0..8).map(|_| Process::spawn(binary.command(&arguments), "")).collect();
    let mut applied = Vec::new();
    let mut registered = Vec::new();
    for run in runs {
        let ended = run.end();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        applied.push(report["migrated"]["applied"].as_u64().unwrap());
        registered.extend(report["registered_audience"].as_str().map(str::to_owned));
    }
    applied.sort_unstable();
    assert_eq!(applied, [0, 0, 0, 0, 0, 0, 0, u64::try_from(count).unwrap()]);
    assert_eq!(registered, [AUDIENCE]);
    let status = binary.json(&["migrate", "status"]);
    assert!(status.as_array().unwrap().iter().all(|migration| migration["applied_at"].is_string()), "{status}");
    assert_eq!(binary.run(&["migrate"]).stdout, "The schema is up to date.\n");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_command_that_lists_or_makes_prints_json(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let reviews = "https://reviews.example.com";
    let create = ["client", "create", "shop", "--grant", "password", "--scope", "movies:read"];
    let file =
        binary.write("clients.toml", "[clients.web]\nkind = 'public'\ngrants = ['password']\nscopes = ['email']\n");
    let commands: [&[&str]; 30] = [
        &["migrate"],
        &["migrate", "status"],
        &["config", "check"],
        &["config", "show"],
        &["key", "new-secret"],
        &["key", "generate"],
        &["key", "list"],
        &["key", "export"],
        &["key", "export", "--format", "jwk"],
        &["key", "export", "--format", "jwks"],
        &["key", "reencrypt"],
        &create,
        &["client", "list"],
        &["client", "show", "shop"],
        &["client", "rotate-secret", "shop"],
        &["client", "update", "shop", "--name", "Shop"],
        &["client", "disable", "shop"],
        &["client", "enable", "shop"],
        &["client", "apply", &file, "--dry-run"],
        &["client", "apply", &file],
        &["client", "new-secret"],
        &["client", "delete", "shop"],
        &["resource", "create", reviews, "--name", "reviews", "--scope", "reviews:read=Read reviews"],
        &["resource", "set-audience", "reviews", "https://reviews.example.org"],
        &["resource", "list"],
        &["create-user", "--email", "bob@example.com", "--generate-password"],
        &["user", "list"],
        &["user", "set-scopes", "bob@example.com", "--default"],
        &["user", "disable", "bob@example.com"],
        &["user", "delete", "bob@example.com"],
    ];
    for command in commands {
        let printed = binary.json(command);
        assert!(printed.is_object() || printed.is_array(), "{command:?}: {printed}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn exit_codes_are_0_done_1_refused_2_wrong_use(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let cases: [(&[&str], i32); 14] = [
        (&["--help"], 0),
        (&["--version"], 0),
        (&["user", "show", EMAIL], 0),
        (&["client", "show", PUBLIC], 0),
        (&["user", "show", "nobody@example.com"], 1),
        (&["client", "show", "nobody"], 1),
        (&["key", "export", "no-such-kid"], 1),
        (&["resource", "create", "no-uri", "--name", "x"], 1),
        (&[], 2),
        (&["serve", "--port", "1"], 2),
        (&["user"], 2),
        (&["key", "generate", "--alg", "HS256"], 2),
        (&["user", "show", EMAIL, "--output", "yaml"], 2),
        (&["client", "create", "x", "--grant", "implicit", "--scope", "movies:read"], 2),
    ];
    for (command, expected) in cases {
        let ended = binary.run(command);
        assert_eq!(ended.code, Some(expected), "{command:?}: {}", ended.stderr);
        // Results on stdout, everything else on stderr; a refusal is one line.
        assert_eq!(ended.stdout.is_empty(), expected != 0, "{command:?}: {}", ended.stdout);
        assert!(
            expected != 1 || (ended.stderr.starts_with("error: ") && ended.stderr.lines().count() == 1),
            "{}",
            ended.stderr
        );
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_reader_that_went_away_is_a_refusal_and_no_panic(pool: Pool) {
    let binary = Binary::on(&pool);
    for command in
        [&["config", "show"][..], &["user", "list"], &["key", "list"], &["client", "list", "--output", "json"]]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output =
            binary.command(command).stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        // Whoever has seen enough (`… | head`) needs no message.
        assert_eq!((output.status.code(), stderr.as_str()), (Some(1), ""), "{command:?}");
    }
}
