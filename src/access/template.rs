//! A level of a rule in which `%u` and `%c` stand for names. They are filled in while a topic is matched, so that all clients share
//! one tree of rules.

/// The names of one client.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    pub user_name: Option<&'a str>,
    pub client_id: &'a str,
    /// Filled in it is a part of one level: it has no wildcard, and no `/`, with which it would reach into what is another's.
    is_user_name_safe: bool,
    is_client_id_safe: bool,
}

/// One level.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, PartialEq, Eq)]
enum Piece {
    Text(Box<str>),
    UserName,
    ClientId,
}

impl<'a> Names<'a> {
    pub fn new(user_name: Option<&'a str>, client_id: &'a str) -> Self {
        let is_safe = |name: &str| !name.contains(['+', '#', '/']);
        let (is_user_name_safe, is_client_id_safe) = (user_name.is_none_or(is_safe), is_safe(client_id));
        Self { user_name, client_id, is_user_name_safe, is_client_id_safe }
    }
}

impl Template {
    /// `None` if there is nothing to fill in.
    pub fn parse(level: &str) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = level;
        while let Some((position, piece)) = first_substitute(rest) {
            let (text, after) = rest.split_at(position);
            pieces.extend((!text.is_empty()).then(|| Piece::Text(text.into())));
            pieces.push(piece);
            rest = after.get(2..).unwrap_or_default();
        }
        if pieces.is_empty() {
            return None;
        }
        pieces.extend((!rest.is_empty()).then(|| Piece::Text(rest.into())));
        Some(Self { pieces })
    }

    /// A client without a user name is not meant by a rule with `%u`.
    pub fn is_meant(&self, names: &Names<'_>) -> bool {
        names.user_name.is_some() || !self.pieces.contains(&Piece::UserName)
    }

    /// Filled in it is one level, and no wildcard. A name that would make more of it is given nothing, and denied what is denied
    /// anywhere below.
    pub fn is_safe(&self, names: &Names<'_>) -> bool {
        self.pieces.iter().all(|piece| match piece {
            Piece::Text(_) => true,
            Piece::UserName => names.is_user_name_safe,
            Piece::ClientId => names.is_client_id_safe,
        })
    }

    /// A name that begins with `$` must not make a rule one for the server's own topics.
    pub fn begins_with_dollar(&self) -> bool {
        matches!(self.pieces.first(), Some(Piece::Text(text)) if text.starts_with('$'))
    }

    pub fn matches(&self, level: &str, names: &Names<'_>) -> bool {
        let mut rest = level;
        for piece in &self.pieces {
            let text = match piece {
                Piece::Text(text) => text,
                Piece::UserName => names.user_name.unwrap_or_default(),
                Piece::ClientId => names.client_id,
            };
            match rest.strip_prefix(text) {
                Some(after) => rest = after,
                None => return false,
            }
        }
        rest.is_empty()
    }
}

fn first_substitute(text: &str) -> Option<(usize, Piece)> {
    let client_id = text.find("%c").map(|position| (position, Piece::ClientId));
    let user_name = text.find("%u").map(|position| (position, Piece::UserName));
    client_id.into_iter().chain(user_name).min_by_key(|(position, _)| *position)
}
