//! Changing a file so that a reader sees the old one or the new one, also after a crash.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Gid, Uid, fchown};

/// Writes `content` beside the file and renames it over it. Mode and owner stay; a new file is its owner's alone.
///
/// # Errors
/// What the system says, with the step that failed. The file is then as it was.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), String> {
    // A link stays one; what it names is replaced.
    let path = match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => path.to_path_buf(),
        resolved => resolved.map_err(|error| error.to_string())?,
    };
    let name = path.file_name().ok_or("it has no file name")?.to_string_lossy();
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = Beside(dir.join(format!(".{name}.{}", std::process::id())));
    write(&beside.0, &path, content)?;
    std::fs::rename(&beside.0, &path).map_err(|error| format!("cannot be replaced: {error}"))?;
    let synced = File::open(dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| format!("its directory cannot be synced: {error}"))
}

/// The new file's name while it is not complete.
struct Beside(PathBuf);

impl Drop for Beside {
    fn drop(&mut self) {
        // After the rename it is gone, which is what is wanted.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn write(beside: &Path, path: &Path, content: &[u8]) -> Result<(), String> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(beside);
    let mut file = created.map_err(|error| format!("cannot be written beside it: {error}"))?;
    keep_owner_and_mode(&file, path)
        .map_err(|error| format!("its owner and mode cannot be kept: {error}: run this as its owner, or as root"))?;
    let written = file.write_all(content).and_then(|()| file.sync_all());
    written.map_err(|error| format!("cannot be written: {error}"))
}

fn keep_owner_and_mode(file: &File, path: &Path) -> io::Result<()> {
    let old = match std::fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        old => old?,
    };
    let new = file.metadata()?;
    if (new.uid(), new.gid()) != (old.uid(), old.gid()) {
        fchown(file.as_fd(), Some(Uid::from_raw(old.uid())), Some(Gid::from_raw(old.gid())))?;
    }
    // After the owner, because a change of it takes bits away.
    file.set_permissions(std::fs::Permissions::from_mode(old.permissions().mode() & 0o7777))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
    }

    #[test]
    fn a_new_file_is_its_owners_alone() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        replace(&path, b"new").expect("it is written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"new");
        assert_eq!(mode(&path), 0o600);
        assert_eq!(std::fs::read_dir(dir.path()).expect("a directory").count(), 1, "nothing is left beside it");
    }

    #[test]
    fn mode_and_link_stay() {
        let dir = tempfile::tempdir().expect("a directory");
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&path, b"old").expect("it is written");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).expect("its mode is set");
        std::os::unix::fs::symlink("file", &link).expect("a link");
        replace(&link, b"new").expect("it is written");
        assert_eq!(std::fs::read(&path).expect("a file"), b"new");
        assert_eq!(mode(&path), 0o640);
        assert!(std::fs::symlink_metadata(&link).expect("metadata").is_symlink());
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(replace(&dir.path().join("no/file"), b"").is_err());
        assert!(replace(dir.path(), b"").is_err());
    }
}
