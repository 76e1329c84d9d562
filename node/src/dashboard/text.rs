//! The words of the pages, by Fluent, in the language the reader asks for.
//!
//! The choice made with the switch comes first (a cookie that holds nothing else), then the browser's
//! `Accept-Language`, then English. Every message stands in `locales/en.ftl` and `locales/ru.ftl`, those about the
//! charter and about Sublime in files of their own, the first of which the command line reads as well; a missing one shows its name in brackets rather
//! than nothing.

use std::sync::LazyLock;

use axum::http::{
    HeaderMap,
    header::{ACCEPT_LANGUAGE, COOKIE},
};
use fluent_bundle::{FluentArgs, FluentResource, FluentValue, concurrent::FluentBundle};
use unic_langid::{LanguageIdentifier, langid};

/// The cookie that keeps the reader's choice.
pub(super) const COOKIE_NAME: &str = "x0_language";
/// From this number on digits are grouped; four digits read well without.
const GROUPED_FROM: f64 = 10_000.0;
/// Separates groups of digits in both languages: a narrow space that does not break (U+202F).
const GROUP_SPACE: char = '\u{202f}';

type Bundle = FluentBundle<FluentResource>;

static ENGLISH: LazyLock<Bundle> =
    LazyLock::new(|| bundle(langid!("en"), Language::English.source()));
static RUSSIAN: LazyLock<Bundle> =
    LazyLock::new(|| bundle(langid!("ru"), Language::Russian.source()));

/// A language the pages are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    English,
    Russian,
}

impl Language {
    /// Every language.
    pub(crate) const ALL: [Self; 2] = [Self::English, Self::Russian];

    /// Returns the code of BCP 47.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    /// Returns the language's own name.
    pub(super) const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Russian => "Русский",
        }
    }

    /// Returns the messages as written.
    pub(super) const fn source(self) -> &'static str {
        match self {
            Self::English => concat!(
                include_str!("../../locales/en.ftl"),
                include_str!("../../locales/en.charter.ftl"),
                include_str!("../../locales/en.sublime.ftl"),
            ),
            Self::Russian => concat!(
                include_str!("../../locales/ru.ftl"),
                include_str!("../../locales/ru.charter.ftl"),
                include_str!("../../locales/ru.sublime.ftl"),
            ),
        }
    }

    /// Finds a language by its code, of which only the first part counts.
    pub(super) fn from_code(code: &str) -> Option<Self> {
        let first = code.split(['-', '_']).next()?.trim();
        Self::ALL
            .into_iter()
            .find(|language| first.eq_ignore_ascii_case(language.code()))
    }

    /// Picks the language of a request.
    pub(super) fn of_request(headers: &HeaderMap) -> Self {
        let value = |name| headers.get(name).and_then(|value| value.to_str().ok());
        value(COOKIE)
            .and_then(chosen)
            .or_else(|| value(ACCEPT_LANGUAGE).and_then(preferred))
            .unwrap_or(Self::English)
    }

    fn bundle(self) -> &'static Bundle {
        match self {
            Self::English => &ENGLISH,
            Self::Russian => &RUSSIAN,
        }
    }
}

/// The messages of one language; cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Texts(pub(crate) Language);

impl Texts {
    /// Returns a message without variables.
    pub(crate) fn say(self, key: &'static str) -> String {
        self.with(key, [])
    }

    /// Returns a message with its variables filled in.
    pub(crate) fn with<const N: usize>(
        self,
        key: &'static str,
        variables: [(&'static str, FluentValue<'_>); N],
    ) -> String {
        let bundle = self.0.bundle();
        let message = bundle.get_message(key).and_then(|message| message.value());
        let Some(pattern) = message else {
            return format!("⟦{key}⟧");
        };
        let variables = FluentArgs::from_iter(variables);
        bundle
            .format_pattern(pattern, Some(&variables), &mut Vec::new())
            .into_owned()
    }

    /// Returns a message with one number in it, written in the form the number asks for.
    pub(crate) fn count(self, key: &'static str, n: impl Into<FluentValue<'static>>) -> String {
        self.with(key, [("n", n.into())])
    }
}

fn bundle(language: LanguageIdentifier, source: &str) -> Bundle {
    let mut bundle = Bundle::new_concurrent(vec![language]);
    // What is wrong in a file is left out; a test sees to it that nothing is.
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(rest, _)| rest);
    bundle.add_resource_overriding(resource);
    // Both languages run left to right; text of others is isolated in the page itself.
    bundle.set_use_isolating(false);
    bundle.set_formatter(Some(|value, _| match value {
        FluentValue::Number(number) if number.value >= GROUPED_FROM => {
            Some(grouped(&number.as_string()))
        }
        FluentValue::Number(_)
        | FluentValue::String(_)
        | FluentValue::Custom(_)
        | FluentValue::None
        | FluentValue::Error => None,
    }));
    bundle
}

/// Groups digits by three from the right.
fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() + 8);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(GROUP_SPACE);
        }
        text.push(digit);
    }
    text
}

fn chosen(cookies: &str) -> Option<Language> {
    let mut pairs = cookies
        .split(';')
        .filter_map(|pair| pair.trim().split_once('='));
    pairs
        .find(|(name, _)| *name == COOKIE_NAME)
        .and_then(|(_, code)| Language::from_code(code))
}

/// Finds the known language with the highest weight (RFC 9110, 12.5.4); the first of equals wins.
fn preferred(header: &str) -> Option<Language> {
    let mut best: Option<(Language, f32)> = None;
    for range in header.split(',') {
        let (code, weight) = range.split_once(";q=").unwrap_or((range, "1"));
        let weight = weight.trim().parse().unwrap_or(0.0);
        let Some(language) = Language::from_code(code.trim()) else {
            continue;
        };
        if weight > best.map_or(0.0, |(_, weight)| weight) {
            best = Some((language, weight));
        }
    }
    best.map(|(language, _)| language)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;

    fn keys(language: Language) -> BTreeSet<String> {
        let lines = language.source().lines();
        let keyed = lines.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        keyed
            .filter_map(|line| line.split_once(" ="))
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    fn variables(language: Language, key: &str) -> BTreeSet<String> {
        let source = language.source();
        let start = source.find(&format!("\n{key} =")).map_or(0, |at| at + 1);
        let mut lines = source[start..].lines();
        let mut text = lines.next().unwrap().to_owned();
        text.extend(lines.take_while(|line| line.starts_with(' ')));
        text.split('$')
            .skip(1)
            .map(|rest| {
                rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    }

    #[test]
    fn both_files_are_well_formed() {
        for language in Language::ALL {
            let parsed = FluentResource::try_new(language.source().to_owned());
            assert!(
                parsed.is_ok(),
                "{}: {:?}",
                language.code(),
                parsed.unwrap_err().1
            );
        }
    }

    #[test]
    fn every_message_exists_in_both_languages_with_the_same_variables() {
        let (english, russian) = (keys(Language::English), keys(Language::Russian));

        assert_eq!(english, russian);
        assert!(english.len() > 100, "the files were read");
        for key in &english {
            assert_eq!(
                variables(Language::English, key),
                variables(Language::Russian, key),
                "{key}"
            );
        }
    }

    #[test]
    fn the_switch_comes_before_the_browser_and_the_browser_before_english() {
        let pick = |cookie: &str, accept: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(COOKIE, cookie.parse().unwrap());
            headers.insert(ACCEPT_LANGUAGE, accept.parse().unwrap());
            Language::of_request(&headers)
        };

        assert_eq!(pick("a=b; x0_language=en", "ru"), Language::English);
        assert_eq!(
            pick("x0_language=xx", "de, ru-RU;q=0.8, en;q=0.5"),
            Language::Russian
        );
        assert_eq!(pick("", "en;q=0.9, ru;q=0.3"), Language::English);
        assert_eq!(pick("", "ru;q=0, fr"), Language::English);
        assert_eq!(Language::of_request(&HeaderMap::new()), Language::English);
    }

    #[test]
    fn numbers_are_grouped_and_agree_with_their_nouns() {
        let russian = Texts(Language::Russian);

        assert_eq!(grouped("1234567"), "1\u{202f}234\u{202f}567");
        assert!(
            Texts(Language::English)
                .count("members-count", 12_345)
                .starts_with("12\u{202f}345 ")
        );
        assert_ne!(
            russian.count("members-count", 1).trim_start_matches('1'),
            russian.count("members-count", 5).trim_start_matches('5')
        );
    }

    #[test]
    fn a_missing_message_shows_its_name() {
        assert_eq!(
            Texts(Language::English).say("no-such-message"),
            "⟦no-such-message⟧"
        );
    }
}
