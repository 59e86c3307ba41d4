//! Listening unix sockets (unix(7)): one queue of connections, that all shards accept from.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};

use super::listener::BACKLOG;

/// A bound unix socket, with one descriptor for each shard.
#[derive(Debug)]
pub struct UnixListener {
    pub sockets: Vec<OwnedFd>,
    pub file: SocketFile,
}

/// The file of a unix socket; dropping it removes the file, if it is still the same.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    device: u64,
    inode: u64,
}

/// Who may connect: permissions and owner of the socket's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SocketPermissions {
    pub mode: Option<u32>,
    pub owner: Option<u32>,
    pub group: Option<u32>,
}

/// Takes `path` with `count` descriptors. A socket file that nobody listens at any more is replaced; any other file is an error.
pub fn bind_unix(path: &Path, permissions: &SocketPermissions, count: usize) -> io::Result<UnixListener> {
    remove_stale(path)?;
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    let metadata = std::fs::symlink_metadata(path)?;
    let file = SocketFile { path: path.to_owned(), device: metadata.dev(), inode: metadata.ino() };
    // Nobody can connect before it listens, so nobody slips through before the permissions are there.
    chown(path, permissions.owner, permissions.group)?;
    if let Some(mode) = permissions.mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    }
    let mut sockets: Vec<OwnedFd> = Vec::with_capacity(count);
    for _ in 1..count {
        sockets.push(socket.try_clone()?.into());
    }
    sockets.push(socket.into());
    Ok(UnixListener { sockets, file })
}

impl UnixListener {
    /// From now on the kernel completes connections.
    pub fn listen(&self) -> io::Result<()> {
        self.sockets.first().map_or(Ok(()), |socket| socket2::SockRef::from(socket).listen(BACKLOG))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_ours = |metadata: std::fs::Metadata| metadata.dev() == self.device && metadata.ino() == self.inode;
        if std::fs::symlink_metadata(&self.path).is_ok_and(is_ours) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// A server that was killed leaves its file behind.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(metadata) if !metadata.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a file that is no socket"));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        Err(error) => Err(error),
        Ok(_) => Err(io::ErrorKind::AddrInUse.into()),
    }
}

/// The number of a user, from a number or from a name in the table of passwd(5) or group(5).
pub fn numeric_id(name: &str, table: &Path) -> io::Result<u32> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let text = std::fs::read_to_string(table)?;
    let id = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    id.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("{name} is not in {}", table.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(path: &Path) -> io::Result<UnixListener> {
        bind_unix(path, &SocketPermissions::default(), 2)
    }

    #[test]
    fn the_file_has_its_permissions_and_goes_with_the_listener() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mqtt.sock");
        let listener = bind_unix(&path, &SocketPermissions { mode: Some(0o660), ..Default::default() }, 3).unwrap();
        listener.listen().unwrap();
        assert_eq!(listener.sockets.len(), 3);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        UnixStream::connect(&path).unwrap();
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn only_a_socket_that_nobody_listens_at_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mqtt.sock");
        let listener = bind(&path).unwrap();
        listener.listen().unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        let UnixListener { sockets, file } = listener;
        std::mem::forget(file);
        drop(sockets);
        assert!(path.exists());
        drop(bind(&path).unwrap());
        std::fs::write(&path, "").unwrap();
        assert_eq!(bind(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn names_become_numbers() {
        assert_eq!(numeric_id("12", Path::new("/etc/passwd")).unwrap(), 12);
        assert_eq!(numeric_id("root", Path::new("/etc/passwd")).unwrap(), 0);
        assert!(numeric_id("no such user", Path::new("/etc/passwd")).is_err());
    }
}
