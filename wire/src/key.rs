//! Names: keys, scopes and tags. Parsed once, bounded, and never checked again.
//!
//! A key is two to sixteen segments joined by `:`, as in `sport:mlb:props:player:123:hits`. Its *root* is the first
//! two segments. A scope is a prefix of keys that ends at a `:` and is at least a root, so that every scope lives in
//! one partition of the server. Names are compared byte for byte: there is no case folding and no normalisation.

use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest key or scope, in bytes of UTF-8.
pub const NAME_MAX: usize = 256;
/// The most segments of a key.
pub const SEGMENTS_MAX: usize = 16;
/// The fewest segments of a key, and the segments of a root.
pub const ROOT_SEGMENTS: usize = 2;
/// The longest tag, in bytes of UTF-8.
pub const TAG_MAX: usize = 64;
/// The most tags of one value.
pub const TAGS_MAX: usize = 16;

/// Why a text is not a name. The sentence says what is wrong and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The text has no characters.
    #[error("the {what} is empty; write one such as `{example}`")]
    Empty {
        /// `key`, `scope` or `tag`.
        what: &'static str,
        /// A name that would be accepted.
        example: &'static str,
    },
    /// The text is over its limit.
    #[error("the {what} has {length} bytes; at most {max} are allowed")]
    TooLong {
        /// `key`, `scope` or `tag`.
        what: &'static str,
        /// Bytes given.
        length: usize,
        /// Bytes allowed.
        max: usize,
    },
    /// A character that names never hold.
    #[error(
        "the {what} has {} at byte {at}; whitespace, control characters, `*`, `{{` and `}}` are not allowed",
        Shown(*character)
    )]
    Character {
        /// `key`, `scope` or `tag`.
        what: &'static str,
        /// The offending character.
        character: char,
        /// Its byte index.
        at: usize,
    },
    /// A character that a header's list of tags cannot hold.
    #[error("the tag has {} at byte {at}; tags are ASCII without commas, because headers list them", Shown(*character))]
    Header {
        /// The offending character.
        character: char,
        /// Its byte index.
        at: usize,
    },
    /// Two colons in a row, or one at an end where none belongs.
    #[error("the {what} has an empty segment at byte {at}; segments are joined by single colons")]
    EmptySegment {
        /// `key` or `scope`.
        what: &'static str,
        /// The byte index where the segment should begin.
        at: usize,
    },
    /// Too few or too many segments.
    #[error("the {what} has {segments} segments; {ROOT_SEGMENTS} to {SEGMENTS_MAX} are allowed, as in `{example}`")]
    Segments {
        /// `key` or `scope`.
        what: &'static str,
        /// Segments given.
        segments: usize,
        /// A name that would be accepted.
        example: &'static str,
    },
    /// A scope that does not end at a segment's end.
    #[error("the scope does not end with `:`; a scope is a prefix of whole segments, as in `sport:mlb:`")]
    OpenScope,
}

/// A character in quotes, or by number where it could not be seen. `Debug` would bring Unicode's tables to the browser.
struct Shown(char);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            ' ' => f.write_str("' '"),
            hidden if hidden.is_control() || hidden.is_whitespace() => write!(f, "U+{:04X}", u32::from(hidden)),
            seen => write!(f, "'{seen}'"),
        }
    }
}

const KEY_EXAMPLE: &str = "sport:mlb:props:player:123:hits";
const SCOPE_EXAMPLE: &str = "sport:mlb:";

fn check_characters(what: &'static str, text: &str, max: usize, example: &'static str) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty { what, example });
    }
    if text.len() > max {
        return Err(NameError::TooLong { what, length: text.len(), max });
    }
    // Nearly every name is plain ASCII: its bytes say so without being decoded.
    if text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'*' | b'{' | b'}')) {
        return Ok(());
    }
    let refused = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '*' | '{' | '}');
    match text.char_indices().find(|&(_, c)| refused(c)) {
        Some((at, character)) => Err(NameError::Character { what, character, at }),
        None => Ok(()),
    }
}

fn check_segments(what: &'static str, text: &str, example: &'static str) -> Result<(), NameError> {
    let mut at = 0;
    let mut segments = 0;
    for segment in text.as_bytes().split(|&byte| byte == b':') {
        if segment.is_empty() {
            return Err(NameError::EmptySegment { what, at });
        }
        at += segment.len() + 1;
        segments += 1;
    }
    if (ROOT_SEGMENTS..=SEGMENTS_MAX).contains(&segments) {
        Ok(())
    } else {
        Err(NameError::Segments { what, segments, example })
    }
}

/// The byte just after the root's colon, or the whole length when the name is only its root.
fn root_end(text: &str) -> usize {
    text.match_indices(':').nth(ROOT_SEGMENTS - 1).map_or(text.len(), |(at, _)| at + 1)
}

macro_rules! name {
    ($name:ident) => {
        impl $name {
            /// The text of the name.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                $name::parse(text)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl serde::de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("a ", stringify!($name)))
                    }

                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        $name::parse(text).map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

/// The name of one value.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Arc<str>);

/// A prefix of keys: whole segments, ending with `:`, at least a root.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(Arc<str>);

/// A label that values of many scopes may share, as `injury-report`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(Arc<str>);

name!(Key);
name!(Scope);
name!(Tag);

impl Key {
    /// Parses a key.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Key, NameError> {
        check_characters("key", text, NAME_MAX, KEY_EXAMPLE)?;
        check_segments("key", text, KEY_EXAMPLE)?;
        Ok(Key(text.into()))
    }

    /// The first two segments, without a closing colon: what decides the key's partition.
    pub fn root(&self) -> &str {
        self.0[..root_end(&self.0)].trim_end_matches(':')
    }

    /// Every scope the key lies in, as text, from its root to its parent. A key that is only its root lies in none.
    pub fn scopes(&self) -> impl Iterator<Item = &str> {
        self.0.match_indices(':').skip(ROOT_SEGMENTS - 1).map(|(at, _)| &self.0[..=at])
    }
}

impl Scope {
    /// Parses a scope.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks; a scope above its root is refused.
    pub fn parse(text: &str) -> Result<Scope, NameError> {
        check_characters("scope", text, NAME_MAX, SCOPE_EXAMPLE)?;
        let inner = text.strip_suffix(':').ok_or(NameError::OpenScope)?;
        check_segments("scope", inner, SCOPE_EXAMPLE)?;
        Ok(Scope(text.into()))
    }

    /// Whether the key lies in this scope.
    pub fn contains(&self, key: &Key) -> bool {
        key.0.starts_with(&*self.0)
    }

    /// Whether every key of `other` lies in this scope.
    pub fn covers(&self, other: &Scope) -> bool {
        other.0.starts_with(&*self.0)
    }

    /// Whether some key could lie in both.
    pub fn overlaps(&self, other: &Scope) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The first two segments, without a closing colon: what decides the scope's partition.
    pub fn root(&self) -> &str {
        self.0[..root_end(&self.0)].trim_end_matches(':')
    }
}

impl Tag {
    /// Parses a tag: 1 to [`TAG_MAX`] bytes of ASCII with no comma, because headers list tags so.
    ///
    /// # Errors
    /// [`NameError`] says which rule the text breaks.
    pub fn parse(text: &str) -> Result<Tag, NameError> {
        check_characters("tag", text, TAG_MAX, "injury-report")?;
        match text.char_indices().find(|&(_, c)| c == ',' || !c.is_ascii()) {
            Some((at, character)) => Err(NameError::Header { character, at }),
            None => Ok(Tag(text.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_accepted_or_refused_by_rule() {
        let check = |text: &str, expected: Result<(), &str>| match (Key::parse(text), expected) {
            (Ok(key), Ok(())) => assert_eq!(key.as_str(), text),
            (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{text:?}: {error}"),
            (outcome, _) => panic!("{text:?}: {outcome:?}"),
        };
        check("sport:mlb:props:player:123:hits", Ok(()));
        check("sport:mlb", Ok(()));
        check("sport:nba:props:player:9:pts+rebs/José", Ok(()));
        check("", Err("empty"));
        check("sport", Err("1 segments"));
        check(":sport:mlb", Err("empty segment at byte 0"));
        check("sport::mlb", Err("empty segment at byte 6"));
        check("sport:mlb:", Err("empty segment at byte 10"));
        check("sport:m b", Err("' ' at byte 7"));
        check("sport:{1}", Err("'{' at byte 6"));
        check("sport:\u{7f}", Err("at byte 6"));
        check(&["a"; 16].join(":"), Ok(()));
        check(&["a"; 17].join(":"), Err("17 segments"));
        check(&format!("a:{}", "b".repeat(NAME_MAX)), Err("at most 256"));
    }

    #[test]
    fn scopes_are_whole_segments_from_the_root_down() {
        assert!(Scope::parse("sport:mlb:").is_ok());
        assert_eq!(Scope::parse("sport:mlb"), Err(NameError::OpenScope));
        assert!(matches!(Scope::parse("sport:"), Err(NameError::Segments { segments: 1, .. })));
        let key = Key::parse("sport:mlb:props:player:1").unwrap();
        assert_eq!(key.root(), "sport:mlb");
        assert_eq!(key.scopes().collect::<Vec<_>>(), ["sport:mlb:", "sport:mlb:props:", "sport:mlb:props:player:"]);
        assert_eq!(Scope::parse("sport:mlb:props:").unwrap().root(), "sport:mlb");
        assert!(Scope::parse("sport:mlb:props:").unwrap().contains(&key));
        assert!(!Scope::parse("sport:mlb:prop:").unwrap().contains(&key));
    }

    #[test]
    fn a_key_that_is_only_its_root_lies_in_no_scope() {
        let key = Key::parse("sport:mlb").unwrap();
        assert_eq!(key.root(), "sport:mlb");
        assert_eq!(key.scopes().count(), 0);
    }

    #[test]
    fn a_tag_fits_into_a_header() {
        assert!(Tag::parse("injury:ohtani").is_ok());
        assert!(Tag::parse("a,b").unwrap_err().to_string().contains("',' at byte 1"));
        assert!(Tag::parse("josé").unwrap_err().to_string().contains("'é' at byte 3"));
        assert!(Tag::parse("").is_err());
    }
}
