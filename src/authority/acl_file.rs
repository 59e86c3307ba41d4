//! Access rules, from a file in mosquitto's format.

use std::path::Path;

use super::AuthorityError;
use super::secret_file::read_public;
use crate::access::{AccessRules, parse_acl_file};
use crate::limits;

/// Reads the rules, all or none.
///
/// # Errors
/// The file cannot be read, or a line is not understood.
pub fn read_acl_file(path: &Path) -> Result<AccessRules, AuthorityError> {
    let content = read_public(path, limits::ACL_FILE_SIZE_MAX)?;
    let text = std::str::from_utf8(&content).map_err(|_| {
        AuthorityError::new(path.display(), "it is not UTF-8", "name the right file, or write topics in UTF-8")
    })?;
    parse_acl_file(text).map_err(|error| {
        AuthorityError::new(format_args!("{}:{}", path.display(), error.line), error.what, error.remedy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wrong_is_named_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("acl");
        std::fs::write(&path, "user a\ntopic read b/#\n").unwrap();
        assert!(read_acl_file(&path).unwrap().is_restricted);
        std::fs::write(&path, "user a\ntopic read b/#\nallow everything\n").unwrap();
        let error = read_acl_file(&path).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{}:3: ", path.display())), "{error}");
        std::fs::write(&path, b"topic \xFF\n").unwrap();
        assert!(read_acl_file(&path).is_err());
    }
}
