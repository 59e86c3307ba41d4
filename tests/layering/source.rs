//! Reads a source file as far as the rules need it: which paths it names, on which line.
//!
//! Comments, literals and modules for tests are blanked first, line by line as they are, so that what is left can be read
//! as a run of identifiers and punctuation.

use std::fs;
use std::path::Path;

/// One file under `src/`.
pub struct Source {
    /// As in `src/routing/index.rs`.
    pub file: String,
    pub line_count: usize,
    pub names: Vec<Name>,
}

/// A path as the code names it, or one leaf of a `use` tree; a lone identifier or keyword is a path of one.
#[derive(Debug, PartialEq)]
pub struct Name {
    pub line: usize,
    /// With `self::`, `super::` and `ringmq::` resolved to `crate::`.
    pub path: String,
    /// It is behind a dot: a method or a field.
    pub is_member: bool,
}

impl Source {
    pub fn parse(file: &str, text: &str) -> Self {
        let code = without_test_modules(&without_comments_and_literals(text));
        let mut reader = Reader { tokens: tokens(&code), position: 0, module: module_of(file), names: Vec::new() };
        while reader.position < reader.tokens.len() {
            reader.read();
        }
        Self { file: file.into(), line_count: text.lines().count(), names: reader.names }
    }

    /// The directory or file right below `src/`: the module that the table of imports speaks of.
    pub fn top_module(&self) -> &str {
        let name = self.file.trim_start_matches("src/").split('/').next().unwrap_or_default();
        name.trim_end_matches(".rs")
    }
}

/// All sources below `directory`, by name. Files that are a module for tests (`tests.rs`) are left out.
pub fn read_all(directory: &Path, prefix: &str) -> Vec<Source> {
    let mut sources = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name().into_string().unwrap();
        let file = format!("{prefix}/{name}");
        if entry.file_type().unwrap().is_dir() {
            sources.extend(read_all(&entry.path(), &file));
        } else if name.ends_with(".rs") && name != "tests.rs" {
            sources.push(Source::parse(&file, &fs::read_to_string(entry.path()).unwrap()));
        }
    }
    sources
}

/// `src/routing/index.rs` is `["routing", "index"]`, `src/routing/mod.rs` is `["routing"]`.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_start_matches("src/").trim_end_matches(".rs");
    path.split('/').filter(|part| !matches!(*part, "mod" | "lib" | "main")).map(String::from).collect()
}

struct Token {
    line: usize,
    text: String,
}

/// Identifiers, `::`, and single characters.
fn tokens(code: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (line, text) in (1..).zip(code.lines()) {
        let mut rest = text.trim_start();
        while let Some(first) = rest.chars().next() {
            let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
            let length = match first {
                _ if is_word(first) => rest.find(|letter| !is_word(letter)).unwrap_or(rest.len()),
                _ if rest.starts_with("::") => 2,
                _ => first.len_utf8(),
            };
            tokens.push(Token { line, text: rest[..length].into() });
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

struct Reader {
    tokens: Vec<Token>,
    position: usize,
    module: Vec<String>,
    names: Vec<Name>,
}

impl Reader {
    fn token(&self, position: usize) -> &str {
        self.tokens.get(position).map_or("", |token| &token.text)
    }

    /// Reads one token, or a whole path or `use` tree if it begins one.
    fn read(&mut self) {
        if !is_identifier(self.token(self.position)) {
            self.position += 1;
            return;
        }
        let is_member = self.position > 0 && self.token(self.position - 1) == ".";
        self.path(&[], is_member);
    }

    /// Reads `a::b::c`, `a::b::*` or `a::{b, c::d}` behind `prefix`.
    fn path(&mut self, prefix: &[String], is_member: bool) {
        let line = self.tokens[self.position].line;
        let mut segments = prefix.to_vec();
        loop {
            segments.push(self.token(self.position).into());
            self.position += 1;
            let next = self.token(self.position + 1);
            if self.token(self.position) != "::" || !(is_identifier(next) || next == "*" || next == "{") {
                break;
            }
            self.position += 1;
            if self.token(self.position) == "{" {
                return self.group(&segments);
            }
        }
        let path = self.resolved(&segments);
        self.names.push(Name { line, path, is_member });
    }

    fn group(&mut self, prefix: &[String]) {
        self.position += 1;
        while self.position < self.tokens.len() && self.token(self.position) != "}" {
            if is_identifier(self.token(self.position)) || self.token(self.position) == "*" {
                self.path(prefix, false);
            } else {
                self.position += 1;
            }
        }
        self.position += 1;
    }

    fn resolved(&self, segments: &[String]) -> String {
        let mut rest = segments;
        let mut base: Option<Vec<String>> = None;
        while let Some((first, behind)) = rest.split_first() {
            match first.as_str() {
                "crate" | "ringmq" if base.is_none() && !behind.is_empty() => base = Some(Vec::new()),
                "self" if base.is_none() && !behind.is_empty() => base = Some(self.module.clone()),
                "super" => {
                    base.get_or_insert_with(|| self.module.clone()).pop();
                }
                _ => break,
            }
            rest = behind;
        }
        // `a::{self}` is `a`.
        let rest = rest.strip_suffix(&["self".to_string()]).filter(|rest| !rest.is_empty()).unwrap_or(rest);
        match base {
            Some(base) => ["crate".to_string()].iter().chain(&base).chain(rest).cloned().collect::<Vec<_>>().join("::"),
            None => rest.join("::"),
        }
    }
}

fn is_identifier(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Spaces in place of comments and of what is in quotes.
fn without_comments_and_literals(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut position = 0;
    while position < letters.len() {
        let rest = &letters[position..];
        let before = position.checked_sub(1).map(|before| letters[before]);
        let length = blank_length(rest, before);
        if length == 0 {
            code.push(rest[0]);
            position += 1;
        } else {
            code.extend(rest[..length].iter().map(|&letter| if letter == '\n' { '\n' } else { ' ' }));
            position += length;
        }
    }
    code
}

/// How much of `rest` is one comment or literal; 0 if it begins with neither.
fn blank_length(rest: &[char], before: Option<char>) -> usize {
    let starts_with = |text: &str| text.chars().eq(rest.iter().take(text.len()).copied());
    let word_before = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if starts_with("//") {
        return rest.iter().position(|&letter| letter == '\n').unwrap_or(rest.len());
    }
    if starts_with("/*") {
        let mut depth = 0;
        for position in 0..rest.len() {
            match rest[position..] {
                ['/', '*', ..] => depth += 1,
                ['*', '/', ..] if depth == 1 => return position + 2,
                ['*', '/', ..] => depth -= 1,
                _ => {}
            }
        }
        return rest.len();
    }
    if rest[0] == 'r' && !word_before {
        let hashes = rest[1..].iter().take_while(|&&letter| letter == '#').count();
        if rest.get(1 + hashes) == Some(&'"') {
            let end: Vec<char> = std::iter::once('"').chain(std::iter::repeat_n('#', hashes)).collect();
            let start = hashes + 2;
            let found = rest[start..].windows(end.len()).position(|window| window == end);
            return found.map_or(rest.len(), |found| start + found + end.len());
        }
    }
    match rest {
        ['"', ..] => quoted_length(rest, '"'),
        // A lifetime has no closing quote right behind its letter.
        ['\'', '\\', ..] => quoted_length(rest, '\''),
        ['\'', _, '\'', ..] => 3,
        _ => 0,
    }
}

fn quoted_length(rest: &[char], quote: char) -> usize {
    let mut position = 1;
    while position < rest.len() && rest[position] != quote {
        position += if rest[position] == '\\' { 2 } else { 1 };
    }
    (position + 1).min(rest.len())
}

/// Empty lines in place of `#[cfg(test)] mod name { ... }`. The braces of what is left over can be counted.
fn without_test_modules(code: &str) -> String {
    let mut kept = Vec::new();
    let mut lines = code.lines().peekable();
    while let Some(line) = lines.next() {
        let is_module =
            |line: &&str| line.trim_start().starts_with("mod ") || line.trim_start().starts_with("pub mod ");
        if line.trim() != "#[cfg(test)]" || !lines.peek().is_some_and(is_module) {
            kept.push(line);
            continue;
        }
        kept.push("");
        let mut depth = 0;
        for line in lines.by_ref() {
            kept.push("");
            depth += line.matches('{').count();
            depth -= line.matches('}').count();
            if depth == 0 {
                break;
            }
        }
    }
    kept.join("\n")
}
