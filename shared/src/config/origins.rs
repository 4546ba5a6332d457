//! Pages of which origins may call a service.

use url::{Origin, Url};

use super::{CommonConfig, ConfigError, Environment, Settings};

impl CommonConfig {
    /// Reads a list of origins, such as `https://app.example.com`: a page's origin has no path. Where none is set there are
    /// none; in `dev` those of `own`, the addresses of the services themselves.
    ///
    /// # Errors
    /// [`ConfigError`] naming the variable and the item.
    pub fn origins(&self, settings: &Settings, name: &str, own: [&str; 2]) -> Result<Vec<String>, ConfigError> {
        let origins: Vec<String> = settings.list(name)?;
        let is_origin = |text: &str| Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == text);
        if let Some(other) = origins.iter().find(|origin| !is_origin(origin)) {
            let reason = format!("has the item `{other}`, which is no origin such as https://app.example.com");
            return Err(settings.refuse(name, &reason));
        }
        if !origins.is_empty() || self.environment != Environment::Dev {
            return Ok(origins);
        }
        let own = own.into_iter().filter_map(|address| Url::parse(address).ok()).map(|url| url.origin());
        Ok(own.filter(Origin::is_tuple).map(|origin| origin.ascii_serialization()).collect())
    }
}
