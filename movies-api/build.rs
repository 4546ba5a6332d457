//! Tells the binary which commit it was built from.

#[path = "../shared/build/commit.rs"]
mod commit;

fn main() {
    // Its own sources, beside what the module watches.
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=../shared/build/commit.rs");
    commit::name_commit("..");
}
