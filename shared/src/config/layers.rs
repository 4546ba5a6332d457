//! Reads the layers and lays them over each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, ConfigError as LayerError, File, FileFormat, Map, Source, Value};

use super::Setting;
use super::settings::ConfigError;
use crate::traces::OTEL_ENDPOINT;

/// Where settings are read from. [`Sources::process`] is what binaries use; tests make their own.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// Values from flags, by variable name: the strongest layer.
    pub flags: Vec<(String, String)>,
    /// The environment's variables; names without the prefix `MYAPI_` are passed over, but for the collector of
    /// traces by its standard name.
    pub environment: Vec<(String, String)>,
    /// A `.env` file; a missing one is an empty one.
    pub dotenv: Option<PathBuf>,
    /// A TOML file; a missing one is an error.
    pub file: Option<PathBuf>,
}

impl Sources {
    /// This process's environment, `.env` in its working folder, and what the command line said.
    #[must_use]
    pub fn process(file: Option<PathBuf>, flags: Vec<(String, String)>) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with(PREFIX) || name == OTEL_ENDPOINT)
            .map(|(name, value)| (name, value.to_string_lossy().into_owned()))
            .collect();
        Self { flags, environment, dotenv: Some(PathBuf::from(".env")), file }
    }
}

pub(super) const PREFIX: &str = "MYAPI_";

/// A value and the layer that it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Layered {
    pub text: String,
    pub origin: String,
}

/// All values of all layers by variable name, the strongest layer's for each.
pub(super) fn collect(sources: &Sources, known: &[Setting]) -> Result<BTreeMap<String, Layered>, ConfigError> {
    let defaults =
        known.iter().filter_map(|setting| Some((setting.name.to_owned(), setting.default?.to_owned()))).collect();
    let layers = [
        Layer { origin: ".env", values: dotenv(sources.dotenv.as_deref())? },
        Layer { origin: "environment", values: own(&sources.environment) },
        Layer { origin: "flag", values: sources.flags.clone() },
    ];
    let mut builder = Config::builder()
        .add_source(Layer { origin: "default", values: defaults })
        .add_source(Layer { origin: OTEL_ENDPOINT, values: standard(&sources.environment) });
    if let Some(path) = &sources.file {
        builder = builder.add_source(File::from_str(&read(path)?, FileFormat::Toml));
    }
    for layer in &layers {
        builder = builder.add_source(layer.clone());
    }
    let merged = builder.build().and_then(|config| config.cache.into_table());

    let mut values = BTreeMap::new();
    for (key, value) in merged.map_err(|error| file_error(sources, &error))? {
        flatten(sources, &key, value, &mut values)?;
    }
    // What is no variable name of ours must not be read as one; nobody knows it, and it is refused under its own name.
    for layer in &layers {
        let odd = layer.values.iter().filter(|(name, _)| !is_plain(name));
        values.extend(
            odd.map(|(name, text)| (name.clone(), Layered { text: text.clone(), origin: layer.origin.to_owned() })),
        );
    }
    Ok(values)
}

/// Variables of one layer, keyed as the TOML file would: `MYAPI_AUTH__BIND` is `auth.bind`.
#[derive(Clone, Debug)]
struct Layer {
    origin: &'static str,
    values: Vec<(String, String)>,
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, LayerError> {
        let origin = self.origin.to_owned();
        let plain = self.values.iter().filter(|(name, _)| is_plain(name));
        Ok(plain.map(|(name, text)| (toml_key(name), Value::new(Some(&origin), text.as_str()))).collect())
    }
}

/// Dots and brackets mean a path into the tree, and letters of the other case would be the same key.
fn is_plain(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::File { path: path.to_owned(), reason: format!("cannot be read: {error}") })
}

fn own(variables: &[(String, String)]) -> Vec<(String, String)> {
    variables.iter().filter(|(name, _)| name.starts_with(PREFIX)).cloned().collect()
}

/// What other programs of a fleet are told counts for this one where it can do it, and says less than its own settings.
fn standard(variables: &[(String, String)]) -> Vec<(String, String)> {
    let endpoint = variables.iter().filter(|(name, _)| cfg!(feature = "otlp") && name == OTEL_ENDPOINT);
    endpoint.map(|(_, value)| ("MYAPI_OTLP__ENDPOINT".to_owned(), value.clone())).collect()
}

fn dotenv(path: Option<&Path>) -> Result<Vec<(String, String)>, ConfigError> {
    let Some(path) = path.filter(|path| path.is_file()) else {
        return Ok(Vec::new());
    };
    let unreadable = |error: dotenvy::Error| ConfigError::File {
        path: path.to_owned(),
        // A line that cannot be read may hold a secret: say which kind of error, not the line.
        reason: match error {
            dotenvy::Error::LineParse(_, at) => format!("a line cannot be read, at character {at} of that line"),
            other => other.to_string(),
        },
    };
    let pairs =
        dotenvy::from_path_iter(path).map_err(unreadable)?.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    Ok(own(&pairs))
}

fn toml_key(name: &str) -> String {
    name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase().replace("__", ".")
}

/// Undoes [`toml_key`] over the merged tree; lists become comma separated text.
fn flatten(
    sources: &Sources,
    key: &str,
    value: Value,
    into: &mut BTreeMap<String, Layered>,
) -> Result<(), ConfigError> {
    let name = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
    let file = || sources.file.as_deref().map_or_else(|| "file".to_owned(), |path| path.display().to_string());
    let origin = value.origin().map_or_else(file, str::to_owned);
    if let Ok(table) = value.clone().into_table() {
        for (inner, value) in table {
            flatten(sources, &format!("{key}.{inner}"), value, into)?;
        }
        return Ok(());
    }
    let text = match value.clone().into_array() {
        Ok(items) => {
            items.into_iter().map(Value::into_string).collect::<Result<Vec<_>, _>>().map(|items| items.join(","))
        }
        Err(_) => value.into_string(),
    };
    let text = text.map_err(|_| ConfigError::Invalid {
        name: name.clone(),
        origin: origin.clone(),
        reason: "is neither text, number, truth value nor a list of these".to_owned(),
    })?;
    into.insert(name, Layered { text, origin });
    Ok(())
}

fn file_error(sources: &Sources, error: &LayerError) -> ConfigError {
    let reason = match error {
        LayerError::FileParse { cause, .. } => without_quotation(&cause.to_string()),
        other => other.to_string(),
    };
    ConfigError::File { path: sources.file.clone().unwrap_or_default(), reason }
}

/// A TOML error quotes the line that it is about, which may hold a secret: `TOML parse error at line 2, column 7`,
/// three lines of quotation, what is wrong. The first and the last are enough.
fn without_quotation(error: &str) -> String {
    let mut lines = error.lines().filter(|line| !line.trim().is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(place), Some(reason)) if place.starts_with("TOML parse error at") => format!("{place}: {reason}"),
        (Some(reason), None) => reason.to_owned(),
        _ => "cannot be read as TOML".to_owned(),
    }
}
