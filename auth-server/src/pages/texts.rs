//! The words of the pages, a file for each language. A language is a file here and a line in `read`; a text that is
//! missing in it is found by a test.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use serde::Deserialize;

/// The languages that there are, the first one for everybody who reads none of them.
pub(crate) const LANGUAGES: [&str; 2] = ["en", "de"];

/// The words of one language. `{…}` stands for what is filled in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Texts {
    pub lang: String,
    pub login: LoginTexts,
    pub consent: ConsentTexts,
    pub device: DeviceTexts,
    pub logout: LogoutTexts,
    pub error: ErrorTexts,
    pub units: Units,
    /// Scopes in plain words; others are described by their rows.
    pub scopes: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginTexts {
    pub title: String,
    pub to_continue: String,
    pub username: String,
    pub password: String,
    pub submit: String,
    pub wrong: String,
    pub username_missing: String,
    pub password_missing: String,
    pub busy: String,
    pub signed_in: String,
    pub signed_in_as: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ConsentTexts {
    pub title: String,
    pub intro: String,
    pub nothing: String,
    pub destination: String,
    pub account: String,
    pub lifetime_label: String,
    pub lifetime: String,
    pub allow: String,
    pub deny: String,
    pub switch: String,
    pub hint: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeviceTexts {
    pub title: String,
    pub to_continue: String,
    pub intro: String,
    pub code: String,
    pub submit: String,
    pub who: String,
    pub unknown: String,
    pub busy: String,
    pub asks: String,
    pub hint: String,
    pub deny: String,
    pub allowed_title: String,
    pub allowed: String,
    pub denied_title: String,
    pub denied: String,
    pub late_title: String,
    pub late: String,
    pub nothing_title: String,
    pub nothing: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutTexts {
    pub title: String,
    pub question: String,
    pub submit: String,
    pub done_title: String,
    pub done: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ErrorTexts {
    pub request_title: String,
    pub request: String,
    pub form_title: String,
    pub form: String,
    pub old_title: String,
    pub old: String,
    pub again: String,
    pub down_title: String,
    pub down: String,
    pub client_title: String,
    pub client: String,
    pub stranger: String,
    pub back: String,
    pub address: String,
    pub details: String,
}

/// One and many of each.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Units {
    pub days: [String; 2],
    pub hours: [String; 2],
    pub minutes: [String; 2],
    pub seconds: [String; 2],
}

impl Texts {
    /// A length of time in words, in the largest unit that fits it.
    pub(super) fn duration(&self, duration: Duration) -> String {
        let seconds = duration.as_secs();
        let units = [
            (86_400, &self.units.days),
            (3_600, &self.units.hours),
            (60, &self.units.minutes),
            (1, &self.units.seconds),
        ];
        let fits = |(size, _): &(u64, _)| seconds >= *size && seconds.is_multiple_of(*size);
        let (size, [one, many]) = units.into_iter().find(fits).unwrap_or((1, &self.units.seconds));
        let number = seconds / size;
        format!("{number}\u{a0}{}", if number == 1 { one } else { many })
    }
}

/// A text with its `{name}` filled in.
pub(super) fn fill(text: &str, name: &str, value: &str) -> String {
    text.replace(&format!("{{{name}}}"), value)
}

static ALL: LazyLock<Vec<Texts>> = LazyLock::new(read);

#[expect(clippy::expect_used, reason = "the files are in the binary, and a test reads them")]
fn read() -> Vec<Texts> {
    let files = [include_str!("texts/en.json"), include_str!("texts/de.json")];
    files.into_iter().map(|file| serde_json::from_str(file).expect("a file of texts is complete")).collect()
}

/// The first language that the client names (`ui_locales`, best first), else the one that the browser likes best.
#[expect(clippy::expect_used, reason = "there are languages, and a test says so")]
pub(super) fn choose(locales: Option<&str>, accepted: Option<&str>) -> &'static Texts {
    let find = |tag: &str| {
        let language = tag.split(['-', '_']).next().unwrap_or_default();
        ALL.iter().find(|texts| texts.lang.eq_ignore_ascii_case(language))
    };
    let by_client = locales.into_iter().flat_map(|locales| locales.split(' ')).find_map(find);
    let by_browser = || by_quality(accepted.unwrap_or_default()).into_iter().find_map(find);
    by_client.or_else(by_browser).or_else(|| ALL.first()).expect("there are languages")
}

/// The tags of `Accept-Language`, best first (RFC 9110 section 12.5.4).
fn by_quality(accepted: &str) -> Vec<&str> {
    let mut tags: Vec<(&str, f32)> = accepted
        .split(',')
        .filter_map(|item| {
            let mut pieces = item.split(';').map(str::trim);
            let tag = pieces.next().filter(|tag| !tag.is_empty())?;
            let quality = pieces.find_map(|piece| piece.strip_prefix("q=")).map_or(Ok(1.0), str::parse);
            quality.ok().filter(|quality| *quality > 0.0).map(|quality| (tag, quality))
        })
        .collect();
    tags.sort_by(|(_, one), (_, other)| other.total_cmp(one));
    tags.into_iter().map(|(tag, _)| tag).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_language_is_complete_and_says_which_it_is() {
        assert_eq!(ALL.iter().map(|texts| texts.lang.as_str()).collect::<Vec<_>>(), LANGUAGES);
        for texts in ALL.iter() {
            for name in ["openid", "profile", "email"] {
                assert!(texts.scopes.contains_key(name), "{}: {name}", texts.lang);
            }
        }
    }

    #[test]
    fn the_language_is_the_clients_then_the_browsers() {
        let chosen = |locales, accepted| choose(locales, accepted).lang.as_str();
        assert_eq!(chosen(None, None), "en");
        assert_eq!(chosen(None, Some("fr, de-CH;q=0.7, en;q=0.8, *;q=0.5")), "en");
        assert_eq!(chosen(None, Some("fr;q=0.9,de-AT")), "de");
        assert_eq!(chosen(None, Some("de;q=0, x;q=y, ,;")), "en");
        assert_eq!(chosen(Some("fr-CA de"), Some("en")), "de");
    }

    #[test]
    fn a_length_of_time_is_in_whole_units() {
        let english = choose(Some("en"), None);
        let text = |seconds| english.duration(Duration::from_secs(seconds)).replace('\u{a0}', " ");
        assert_eq!((text(86_400), text(7_776_000)), ("1 day".to_owned(), "90 days".to_owned()));
        assert_eq!(
            (text(90 * 60), text(61), text(0)),
            ("90 minutes".to_owned(), "61 seconds".to_owned(), "0 seconds".to_owned())
        );
    }
}
