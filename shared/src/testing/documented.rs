//! A service's OpenAPI document, read to be held against its routes.

use serde_json::Value;

/// One operation of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// In capitals.
    pub method: String,
    /// As in the document, `/movies/{movie_id}`.
    pub path: String,
    /// The path and query with the examples of the document in place of its parameters.
    pub target: String,
    /// The media type of its body with the example of the document, if it has a body.
    pub body: Option<(String, Value)>,
    /// The statuses that are documented.
    pub statuses: Vec<u16>,
    /// Whether it needs a token or a client's credentials.
    pub is_protected: bool,
    /// The scopes that its token needs, separated by spaces.
    pub scope: String,
}

/// Every operation of `document`, by path and method.
pub fn operations(document: &Value) -> Vec<Operation> {
    let paths = document["paths"].as_object().into_iter().flatten();
    paths
        .flat_map(|(path, item)| item.as_object().into_iter().flatten().map(move |entry| (path, entry)))
        .filter(|(_, (method, _))| ["get", "put", "post", "delete", "patch"].contains(&method.as_str()))
        .map(|(path, (method, operation))| read(path, method, operation))
        .collect()
}

/// The values of the constants of a service's `routes.rs`: lines like `pub const TOKEN: &str = "/token";`.
pub fn constants(source: &str) -> Vec<String> {
    let lines = source.lines().filter(|line| line.starts_with("pub const "));
    lines.filter_map(|line| line.split('"').nth(1)).map(str::to_owned).collect()
}

fn scopes(operation: &Value) -> Vec<&str> {
    let schemes = operation["security"].as_array().into_iter().flatten().filter_map(Value::as_object).flatten();
    schemes.filter_map(|(_, scopes)| scopes.as_array()).flatten().filter_map(Value::as_str).collect()
}

/// As it stands in an address: a text without its quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn read(path: &str, method: &str, operation: &Value) -> Operation {
    let parameters = operation["parameters"].as_array().map_or(&[][..], Vec::as_slice);
    let mut target = path.to_owned();
    let mut query = Vec::new();
    for parameter in parameters.iter().filter(|parameter| !parameter["example"].is_null()) {
        let (name, value) = (parameter["name"].as_str().unwrap_or_default(), &parameter["example"]);
        match parameter["in"].as_str() {
            Some("path") => target = target.replace(&format!("{{{name}}}"), &plain(value)),
            Some("query") => query.push(format!("{name}={}", plain(value))),
            _ => {}
        }
    }
    if !query.is_empty() {
        target = format!("{target}?{}", query.join("&"));
    }
    let bodies = operation["requestBody"]["content"].as_object().into_iter().flatten();
    let body = bodies.map(|(media_type, content)| (media_type.clone(), content["example"].clone())).next();
    let statuses = operation["responses"].as_object().into_iter().flatten();
    Operation {
        method: method.to_ascii_uppercase(),
        path: path.to_owned(),
        target,
        body,
        statuses: statuses.filter_map(|(status, _)| status.parse().ok()).collect(),
        is_protected: operation["security"]
            .as_array()
            .is_some_and(|all| !all.iter().any(|one| one == &serde_json::json!({}))),
        scope: scopes(operation).join(" "),
    }
}
