//! The lines of a mosquitto.conf, with those of the files that it includes.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::error::{Mistake, Origin};
use super::super::value::Problem;

/// One directive with its value.
#[derive(Clone, Debug)]
pub struct Line {
    pub name: String,
    /// What comes after the name, without the spaces around it.
    pub value: String,
    pub origin: Origin,
    /// The file that it is in: the main one is 0. What a file begins, such as a listener, ends with it.
    pub file: usize,
}

/// Reads a file's text and what it includes. What cannot be read is a mistake.
pub fn read(path: &Path, text: &str, mistakes: &mut Vec<Mistake>) -> Vec<Line> {
    let mut lines = Vec::new();
    let mut files = 1;
    for line in split(path, text, 0) {
        if line.name == "include_dir" {
            include(&line, &mut files, &mut lines, mistakes);
        } else {
            lines.push(line);
        }
    }
    lines
}

/// The directives of a text. A line whose first character is # is a comment.
fn split(path: &Path, text: &str, file: usize) -> Vec<Line> {
    let of_line = |(index, text): (usize, &str)| {
        let line = text.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let (name, value) = line.split_once([' ', '\t']).unwrap_or((line, ""));
        // A password or a key must not get into messages.
        let has_secret = ["password", "_psk", "_opt_", "kpass"].iter().any(|part| name.contains(part));
        let shown = if has_secret && name != "password_file" { format!("{name} ...") } else { line.to_owned() };
        let origin = Origin::File { path: path.to_owned(), line: index + 1, text: shown };
        Some(Line { name: name.to_owned(), value: value.trim().to_owned(), origin, file })
    };
    text.lines().enumerate().filter_map(of_line).collect()
}

/// The files of a directory whose names end in .conf, in the order of their names with upper case first.
fn include(line: &Line, files: &mut usize, lines: &mut Vec<Line>, mistakes: &mut Vec<Mistake>) {
    let mut mistake = |problem: String| {
        let problem = Problem::new(problem, "name a directory that this user may read");
        mistakes.push(Mistake::new(line.name.clone(), line.origin.clone(), problem));
    };
    let mut paths = match conf_files(Path::new(&line.value)) {
        Ok(paths) => paths,
        Err(error) => return mistake(format!("{} cannot be read: {error}", line.value)),
    };
    paths.sort_by_cached_key(|path| sort_key(path));
    for path in paths {
        match fs::read_to_string(&path) {
            Ok(text) => {
                lines.extend(split(&path, &text, *files));
                *files += 1;
            }
            Err(error) => mistake(format!("{} cannot be read: {error}", path.display())),
        }
    }
}

fn conf_files(directory: &Path) -> std::io::Result<Vec<PathBuf>> {
    let paths = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    let is_conf = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "conf") && !path.is_dir();
    Ok(paths.into_iter().filter(is_conf).collect())
}

/// A before a, both before B.
fn sort_key(path: &Path) -> Vec<(char, bool)> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.chars().map(|c| (c.to_ascii_lowercase(), c.is_ascii_lowercase())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_directory_come_in_the_order_that_mosquitto_has() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["b.conf", "A.conf", "01.conf", "a.conf", "B.conf", "00.conf", "c.conf.bak"] {
            let text = format!("# a comment\n\nuser {name}\n");
            fs::write(directory.path().join(name), text).expect("a file");
        }
        let text = format!("user first\ninclude_dir {}\nuser\t last \n", directory.path().display());
        let mut mistakes = Vec::new();
        let lines = read(Path::new("main.conf"), &text, &mut mistakes);
        let values: Vec<_> = lines.iter().map(|line| (line.value.as_str(), line.file)).collect();
        let expected = [
            ("first", 0),
            ("00.conf", 1),
            ("01.conf", 2),
            ("A.conf", 3),
            ("a.conf", 4),
            ("B.conf", 5),
            ("b.conf", 6),
            ("last", 0),
        ];
        assert_eq!((values.as_slice(), mistakes.len()), (&expected[..], 0));
        read(Path::new("main.conf"), "include_dir /nonexistent/conf.d", &mut mistakes);
        assert!(mistakes[0].to_string().starts_with("main.conf:1: include_dir: /nonexistent/conf.d cannot be read"));
    }

    #[test]
    fn passwords_are_not_told() {
        let lines = split(Path::new("f"), "remote_password hunter2\nbridge_psk 1234\npassword_file users", 0);
        let shown = format!("{:?}", lines.iter().map(|line| &line.origin).collect::<Vec<_>>());
        assert!(!shown.contains("hunter2") && !shown.contains("1234") && shown.contains("password_file users"));
    }
}
