use super::*;

fn refused(text: &str) -> String {
    File::parse(text, "urn:a").unwrap_err().to_string()
}

#[test]
fn what_is_left_out_has_a_default() {
    let file = File::parse("[clients.web]\ngrants = ['password']\nscopes = ['a', 'b c']\n", "urn:a").unwrap();
    let [Declared { new, disabled: None, secret_hashes: None }] = file.clients.as_slice() else { panic!("{file:?}") };
    assert_eq!((new.name.as_str(), new.kind, new.audience.as_str()), ("web", ClientKind::Confidential, "urn:a"));
    assert_eq!((new.scopes.to_string(), new.default_scopes.to_string()), ("a b c".into(), "a b c".into()));
    assert_eq!((file.line(&new.client_id, "scopes"), file.line(&new.client_id, "name")), (Some(3), Some(1)));
}

#[rstest::rstest]
#[case(
    "[clients.web]\nkind = 'public'\ngrant = []",
    "line 3: client `web`: there is no field `grant`: did you mean `grants`?"
)]
#[case("[clients.web]\nquux = 1", "line 2: client `web`: there is no field `quux`")]
#[case("[client.web]", "line 1: there is no key `client`: did you mean `clients`?")]
#[case("\n[clients.web]\nscopes = ['a']", "line 2: client `web`: grants: is missing")]
#[case(
    "[clients.web]\ngrants = ['implicit']\nscopes = []",
    "line 2: client `web`: grants: `implicit`: it is no grant type of this server"
)]
#[case("[clients.web]\nscopes = [\n'a',\n'b\"']", "line 4: client `web`: scopes: `b\\\"`: a scope is names")]
#[case("[clients.web]\nscopes = 'a'", "line 2: client `web`: scopes: it is a list of texts")]
#[case(
    "[clients.web]\nscopes=['a']\ngrants=['password']\naccess_token_ttl = '9'",
    "line 4: client `web`: access_token_ttl: it is a whole number of seconds"
)]
#[case(
    "[clients.web]\nscopes=['a']\ngrants=['password']\nrefresh_token_ttl = -1",
    "line 4: client `web`: refresh_token_ttl: it is a whole number"
)]
#[case(
    "[clients.web]\nscopes=['a']\ngrants=['password']\ndisabled = 'no'",
    "line 4: client `web`: disabled: it is true or false"
)]
#[case(
    "[clients.web]\nscopes=['a']\ngrants=['password']\nsecret_hashes = ['x']",
    "line 4: client `web`: secret_hashes: `x`: it is `sha256:`"
)]
#[case("[clients.web]\nscopes=['a']\nscopes=['b']", "line 3: duplicate key")]
#[case("[clients]\nweb = 1", "line 2: `web` is a table")]
#[case("[clients.\"a\\nb\"]", "line 1: client `a\\nb`: a client_id has")]
#[case("clients = [", "line 1: ")]
fn a_mistake_has_its_line(#[case] text: &str, #[case] expected: &str) {
    let said = refused(text);
    assert!(said.starts_with(expected) && said.lines().count() == 1, "{said}");
}
