//! Who may read what: tokens that the application's own server signs, judged here without asking anybody.
//!
//! A token is a JSON Web Token (RFC 7519) under HS256 with two claims: `exp`, seconds since 1970 UTC, and `scopes`, a
//! list of scopes, or of `*` for everything. Other claims are not looked at, `nbf` apart. No clock is read here, and
//! neither a token nor a secret can be printed.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use wire::{Key, Scope};

/// The shortest secret, in bytes: RFC 7518, 3.2 wants a key as long as the hash.
pub const SECRET_MIN: usize = 32;
/// The longest token, in bytes.
const TOKEN_MAX: usize = 8 * 1024;
/// How far the signer's clock may be ahead of this one's, in milliseconds. For `exp` nothing is given.
const AHEAD_MS: f64 = 60_000.0;
/// How long a token for the server's own reads is good, in seconds.
const OWN_SECONDS: i64 = 60;
/// The name of every scope in a token.
const EVERYTHING: &str = "*";

/// What a client shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl From<String> for Token {
    fn from(text: String) -> Token {
        Token(text)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// What a token allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// None for everything.
    scopes: Option<Vec<Scope>>,
    /// When it ends, in milliseconds since 1970 UTC.
    pub ends_at: Option<i64>,
}

impl Grant {
    /// Everything, for ever.
    pub fn everything() -> Grant {
        Grant { scopes: None, ends_at: None }
    }

    /// Whether a key may be read.
    pub fn allows_key(&self, key: &Key) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.contains(key)))
    }

    /// Whether all of a scope may be read.
    pub fn allows_scope(&self, wanted: &Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.iter().any(|scope| scope.covers(wanted)))
    }
}

/// Why a token allows nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its time is over: another one will do.
    #[error("the token has expired")]
    Expired,
    /// It proves nothing, whenever it is shown.
    #[error("{0}")]
    Invalid(&'static str),
}

/// The judge of tokens.
pub struct Access {
    /// Any of them may have signed; none where reads are open.
    keys: Vec<hmac::Key>,
    /// Who may write everything may read everything. Empty where nobody is asked.
    write_token: String,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that must be understood: none is.
    crit: Option<serde_json::Value>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    exp: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<f64>,
    scopes: Vec<String>,
}

impl Access {
    /// A judge that knows these secrets. Without any, reads are open to all.
    pub fn new(secrets: &[String], write_token: &str) -> Access {
        Access { keys: secrets.iter().map(|secret| key_of(secret)).collect(), write_token: write_token.into() }
    }

    /// Whether anybody may read anything.
    pub fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// What a token allows at `wall_ms`, milliseconds since 1970 UTC.
    ///
    /// # Errors
    /// [`Refusal`] says whether another token would do.
    pub fn judge(&self, token: Option<&Token>, wall_ms: i64) -> Result<Grant, Refusal> {
        if self.is_open() {
            return Ok(Grant::everything());
        }
        let Some(Token(text)) = token else { return Err(Refusal::Invalid("a token is needed, and none was shown")) };
        if !self.write_token.is_empty() && same(text.as_bytes(), self.write_token.as_bytes()) {
            return Ok(Grant::everything());
        }
        let claims = self.claims(text)?;
        let now = wall_ms as f64;
        if claims.nbf.is_some_and(|nbf| now + AHEAD_MS < nbf * 1_000.0) {
            return Err(Refusal::Invalid("the token is of the future"));
        }
        if now >= claims.exp * 1_000.0 {
            return Err(Refusal::Expired);
        }
        let is_all = claims.scopes.iter().any(|scope| scope == EVERYTHING);
        let scopes = claims.scopes.iter().filter(|scope| *scope != EVERYTHING).map(|scope| Scope::parse(scope));
        let scopes: Vec<Scope> =
            scopes.collect::<Result<_, _>>().map_err(|_| Refusal::Invalid("the token names what is no scope"))?;
        Ok(Grant { scopes: (!is_all).then_some(scopes), ends_at: Some((claims.exp * 1_000.0) as i64) })
    }

    /// A token for this server's own reads at `wall_ms`: everything, for a minute. None where nobody is asked for one.
    pub fn own_token(&self, wall_ms: i64) -> Option<String> {
        let key = self.keys.first()?;
        Some(sign_claims(key, wall_ms / 1_000 + OWN_SECONDS, &[EVERYTHING]))
    }

    /// What a token says that one of the secrets has signed.
    fn claims(&self, text: &str) -> Result<Claims, Refusal> {
        let malformed = Refusal::Invalid("the token is no JSON Web Token with `exp` and `scopes`");
        if text.len() > TOKEN_MAX {
            return Err(malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        // `verify` takes the same time wherever they differ. What is not signed is not read.
        if !self.keys.iter().any(|key| hmac::verify(key, signed.as_bytes(), &signature).is_ok()) {
            return Err(Refusal::Invalid("the token is not signed by who may"));
        }
        let header: Header = read(header).ok_or(malformed)?;
        if header.alg != "HS256" || header.crit.is_some() {
            return Err(Refusal::Invalid("the token is not signed in the way HS256"));
        }
        read(claims).filter(|claims: &Claims| claims.exp.is_finite()).ok_or(malformed)
    }
}

fn key_of(secret: &str) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes())
}

fn read<T: for<'a> Deserialize<'a>>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

/// Signs a token that ends at `exp`, in seconds since 1970 UTC, as an application's server would.
pub fn sign(secret: &str, exp: i64, scopes: &[&str]) -> String {
    sign_claims(&key_of(secret), exp, scopes)
}

fn sign_claims(key: &hmac::Key, exp: i64, scopes: &[&str]) -> String {
    let claims = Claims { exp: exp as f64, nbf: None, scopes: scopes.iter().map(|&scope| scope.into()).collect() };
    sign_parts(key, r#"{"alg":"HS256","typ":"JWT"}"#, &serde_json::to_string(&claims).unwrap_or_default())
}

fn sign_parts(key: &hmac::Key, header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = hmac::sign(key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Compares secrets without telling by time where they differ.
pub(crate) fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |differs, (a, b)| differs | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "a secret of the tests, 32 bytes or more";
    const OTHER: &str = "another secret of the tests, as long as it";
    const HS256: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    fn access() -> Access {
        Access::new(&[SECRET.into(), OTHER.into()], "the write token")
    }

    fn judge(token: &str, wall_ms: i64) -> Result<Grant, Refusal> {
        access().judge(Some(&token.to_owned().into()), wall_ms)
    }

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn a_token_allows_its_scopes_until_its_end() {
        for secret in [SECRET, OTHER] {
            let grant = judge(&sign(secret, 1_000, &["sport:mlb:", "sport:nba:props:"]), 999_999).unwrap();
            assert_eq!(grant.ends_at, Some(1_000_000));
            assert!(grant.allows_scope(&scope("sport:mlb:")) && grant.allows_scope(&scope("sport:mlb:props:")));
            assert!(!grant.allows_scope(&scope("sport:nba:")), "only a part of it is allowed");
            assert!(grant.allows_key(&Key::parse("sport:nba:props:1").unwrap()));
            assert!(!grant.allows_key(&Key::parse("sport:nba:1").unwrap()));
        }
        assert_eq!(judge(&sign(SECRET, 1_000, &["sport:mlb:"]), 1_000_000), Err(Refusal::Expired));
        let all = judge(&sign(SECRET, 1_000, &["*"]), 0).unwrap();
        assert!(all.allows_scope(&scope("any:thing:")));
        assert!(!judge(&sign(SECRET, 1_000, &[]), 0).unwrap().allows_scope(&scope("any:thing:")));
    }

    #[test]
    fn what_proves_nothing_is_refused_and_why_is_said() {
        let check = |token: &str, why: &str| match judge(token, 0) {
            Err(Refusal::Invalid(told)) => assert!(told.contains(why), "{told}"),
            judged => panic!("{token}: {judged:?}"),
        };
        let good = sign(SECRET, 1_000, &["*"]);
        check("", "no JSON Web Token");
        check("a.b", "no JSON Web Token");
        check(&"a".repeat(9_000), "no JSON Web Token");
        check(&sign("a secret that nobody here knows of, alas", 1_000, &["*"]), "not signed by who may");
        let (signed, signature) = good.rsplit_once('.').unwrap();
        check(&format!("{signed}."), "not signed by who may");
        check(&format!("{signed}.{}", &signature[1..]), "no JSON Web Token");
        let (_, claims) = signed.split_once('.').unwrap();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        check(&format!("{none}.{claims}."), "not signed by who may");
        check(&sign_parts(&key_of(SECRET), r#"{"alg":"none"}"#, r#"{"exp":9,"scopes":["*"]}"#), "HS256");
        check(&sign_parts(&key_of(SECRET), r#"{"alg":"HS256","crit":["x"]}"#, r#"{"exp":9,"scopes":["*"]}"#), "HS256");
        check(&sign_parts(&key_of(SECRET), HS256, r#"{"scopes":["*"]}"#), "no JSON Web Token");
        check(&sign_parts(&key_of(SECRET), HS256, r#"{"exp":9}"#), "no JSON Web Token");
        check(&sign_parts(&key_of(SECRET), HS256, r#"{"exp":9,"scopes":["sport"]}"#), "no scope");
        check(&sign_parts(&key_of(SECRET), HS256, r#"{"exp":900,"nbf":61,"scopes":["*"]}"#), "of the future");
        assert!(
            judge(&sign_parts(&key_of(SECRET), HS256, r#"{"exp":9.5,"nbf":60,"scopes":["*"],"sub":"me"}"#), 0).is_ok()
        );
        assert_eq!(access().judge(None, 0), Err(Refusal::Invalid("a token is needed, and none was shown")));
    }

    #[test]
    fn who_may_write_may_read_and_without_a_secret_all_may() {
        assert_eq!(judge("the write token", i64::MAX), Ok(Grant::everything()));
        assert!(judge("the write tokeN", 0).is_err());
        let open = Access::new(&[], "the write token");
        assert_eq!((open.is_open(), open.judge(None, 0)), (true, Ok(Grant::everything())));
        // No write token is not the same as an empty one.
        assert!(Access::new(&[SECRET.into()], "").judge(Some(&String::new().into()), 0).is_err());
    }

    #[test]
    fn a_token_cannot_be_printed() {
        assert_eq!(format!("{:?}", Token::from("secret".to_owned())), "Token(..)");
    }
}
