//! What a key is called in tokens, rows and requests.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};

/// The SHA-256 thumbprint of a public key (RFC 7638), base64url: 43 characters. No secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Thumbprint(String);

/// The text is no SHA-256 thumbprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a thumbprint is base64url of 32 bytes")]
pub struct NoThumbprint;

impl Thumbprint {
    /// As it stands in `jkt`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Thumbprint {
    type Err = NoThumbprint;

    /// Reads the one spelling of 32 bytes.
    fn from_str(text: &str) -> Result<Self, NoThumbprint> {
        match URL_SAFE_NO_PAD.decode(text) {
            Ok(bytes) if bytes.len() == 32 => Ok(Self(text.to_owned())),
            _ => Err(NoThumbprint),
        }
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::Thumbprint;

    #[test]
    fn has_one_spelling() {
        // RFC 7638 section 3.1.
        let good = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(good.parse::<Thumbprint>().map(|read| read.to_string()), Ok(good.to_owned()));
        for bad in ["", "a", &good[1..], &format!("{good}A"), &format!("{good}="), &good.replace('-', "+")] {
            assert!(bad.parse::<Thumbprint>().is_err(), "{bad}");
        }
        // The last character holds two bits that no byte needs.
        assert!(good.replace("9Xs", "9Xt").parse::<Thumbprint>().is_err());
    }
}
