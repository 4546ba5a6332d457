//! Who we are to clients.

use url::Url;

/// The issuer identifier (RFC 8414 section 2): an absolute URL without query, fragment or trailing slash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    /// Exactly as configured, as it stands in tokens and metadata.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The same, parsed.
    #[must_use]
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The address of one of our paths.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.text)
    }

    /// The issuer's own path, empty for most (RFC 8414 section 3.1 inserts the well-known path before it).
    #[must_use]
    pub fn path(&self) -> &str {
        self.url.path().trim_end_matches('/')
    }

    /// True when clients reach us by https.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }
}

impl std::str::FromStr for Issuer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = Url::parse(text).map_err(|_| "an issuer is an absolute URL such as https://login.example.com")?;
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err("an issuer is an https URL with a host");
        }
        if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() || url.password().is_some() {
            return Err("an issuer has no query, fragment or user");
        }
        if text.ends_with('/') {
            return Err("an issuer does not end with a slash: clients compare it byte by byte");
        }
        Ok(Self { text: text.to_owned(), url })
    }
}
