// Included by the services' build scripts: tells the compiler, as BUILD_COMMIT, which commit is built.
//
// The variable MYAPI_COMMIT wins, for builds without the repository (an image). Without either it is `unknown`. Only
// what moves with the commit is watched, and only files that are there: a missing one would mean a build every time.

use std::path::Path;
use std::process::Command;

/// Names the commit of the workspace at `root`.
pub fn name_commit(root: &str) {
    println!("cargo:rerun-if-env-changed=MYAPI_COMMIT");
    let told = std::env::var("MYAPI_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.or_else(|| {
        watch(root);
        // Sources that were unpacked inside somebody else's repository do not have its commit.
        let is_ours = git(root, &["rev-parse", "--show-prefix"])?.is_empty();
        git(root, &["rev-parse", "--short=12", "HEAD"]).filter(|_| is_ours)
    });
    println!("cargo:rustc-env=BUILD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// HEAD says which branch, the branch's file which commit; a worktree has a HEAD of its own and shares the branches.
fn watch(root: &str) {
    let watch = |name: &str| {
        let path = git(root, &["rev-parse", "--path-format=absolute", "--git-path", name]);
        let path = path.filter(|path| Path::new(path).exists());
        if let Some(path) = &path {
            println!("cargo:rerun-if-changed={path}");
        }
        path.is_some()
    };
    watch("HEAD");
    if let Some(branch) = git(root, &["symbolic-ref", "--quiet", "HEAD"])
        && !watch(&branch)
    {
        // A packed branch gets a file of its own with its next commit, which HEAD's log tells.
        watch("packed-refs");
        watch("logs/HEAD");
    }
}

fn git(root: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end().to_owned())
}
