//! What is wrong with the files of a listener's TLS, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Why a listener's TLS cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{}: it cannot be read: {error}; check the path, and that the server's user may read it", file.display())]
    Unreadable { file: PathBuf, error: io::Error },
    #[error("{}: it is larger than {size_max} bytes; check that this is the right file", file.display())]
    TooLarge { file: PathBuf, size_max: u64 },
    #[error("{}: there is no {wanted} in it; it must have a PEM section that begins with -----BEGIN {section}-----", file.display())]
    NothingFound { file: PathBuf, wanted: &'static str, section: &'static str },
    #[error("{}: its PEM is damaged ({problem}); copy the file again", file.display())]
    Pem { file: PathBuf, problem: String },
    #[error("{}: the private key is encrypted; decrypt it with `openssl pkey -in KEY -out DECRYPTED`, for the server's user only", file.display())]
    EncryptedKey { file: PathBuf },
    #[error("{}: the private key is of no kind that is known here ({problem}); use RSA of 2,048 bits or more, P-256, P-384, P-521 or Ed25519", file.display())]
    Key { file: PathBuf, problem: String },
    #[error("{}: the private key does not belong to the certificate in {}; give the pair that was issued together, the server's own certificate first in its chain", key.display(), chain.display())]
    KeyMismatch { key: PathBuf, chain: PathBuf },
    #[error("{}: the certificate cannot be understood ({problem}); issue it again", file.display())]
    Certificate { file: PathBuf, problem: String },
    #[error("{}: the revocation list cannot be understood ({problem}); fetch it again from the authority", file.display())]
    RevocationList { file: PathBuf, problem: String },
    #[error("{}: the revocation list has no number, which each must have (RFC 5280, section 5.2.3); issue lists of version 2, for `openssl ca` name a file as `crlnumber`", file.display())]
    RevocationListNumber { file: PathBuf },
    #[error("no certificate is given; a TLS listener needs a chain and its key")]
    NoCertificate,
    #[error(
        "client certificates are asked for, but no authority is given that may have issued them; give its certificate"
    )]
    NoAuthority,
    #[error("the application protocol {name:?} is not 1 to 255 bytes long; use names such as mqtt or http/1.1")]
    ApplicationProtocol { name: String },
    #[error("the TLS library refuses the settings: {0}; please report this")]
    Library(String),
}

/// What is not right with files that could be loaded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsWarning {
    #[error("{}: the certificate has expired, clients will refuse it; renew it and reload", file.display())]
    Expired { file: PathBuf },
    #[error("{}: the certificate is not valid yet, clients will refuse it; check the clock of this machine", file.display())]
    NotYetValid { file: PathBuf },
    #[error("{}: every user of this machine can read the private key; take that right away with `chmod o-rwx`", file.display())]
    KeyReadableByAll { file: PathBuf },
    #[error("{}: the certificate names no host, so no server name chooses it; give its names", file.display())]
    NoNames { file: PathBuf },
    #[error("{}: the revocation list should have been replaced by now, it stays in force; fetch the new one and reload", file.display())]
    RevocationListOverdue { file: PathBuf },
}
