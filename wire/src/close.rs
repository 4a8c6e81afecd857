//! WebSocket close codes. The code itself tells a client whether to come back.

/// Why the server ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The server is going away and asks clients to return, elsewhere or later.
    Drain,
    /// The token has expired: come back with a new one.
    TokenExpired,
    /// This client may not follow what it asked for. Final.
    Forbidden,
    /// The connection made no progress for too long. Come back and resume.
    Slow,
    /// A frame broke the protocol: a fault of the client's code that repeating will not mend. Final.
    Protocol,
    /// The server lost the state behind the session. Come back; expect a reset.
    StateLost,
}

impl CloseCode {
    /// Every code.
    pub const ALL: [CloseCode; 6] = [
        CloseCode::Drain,
        CloseCode::TokenExpired,
        CloseCode::Forbidden,
        CloseCode::Slow,
        CloseCode::Protocol,
        CloseCode::StateLost,
    ];

    /// The number on the wire.
    pub fn code(self) -> u16 {
        match self {
            CloseCode::Drain => 4000,
            CloseCode::TokenExpired => 4001,
            CloseCode::Forbidden => 4003,
            CloseCode::Slow => 4008,
            CloseCode::Protocol => 4009,
            CloseCode::StateLost => 4010,
        }
    }

    /// The code of a number, or `None` for one of another meaning (a network loss, 1006, among them).
    pub fn from_code(code: u16) -> Option<CloseCode> {
        CloseCode::ALL.into_iter().find(|c| c.code() == code)
    }

    /// Whether a client that was closed with this code connects again.
    pub fn reconnects(self) -> bool {
        !matches!(self, CloseCode::Forbidden | CloseCode::Protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_reads_back_and_two_are_final() {
        for code in CloseCode::ALL {
            assert_eq!(CloseCode::from_code(code.code()), Some(code));
        }
        assert_eq!(CloseCode::from_code(1006), None);
        let last: Vec<u16> = CloseCode::ALL.into_iter().filter(|c| !c.reconnects()).map(CloseCode::code).collect();
        assert_eq!(last, [4003, 4009]);
    }
}
