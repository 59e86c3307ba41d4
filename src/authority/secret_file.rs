//! Reading a file that holds what others must not know.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::{AuthorityError, Warning};

/// The others' right to read, in a file's mode.
const READABLE_BY_OTHERS: u32 = 0o004;

/// Its content, which is overwritten when it is dropped. That everybody can read it is worth a warning.
pub fn read(path: &Path, size_max: u64, warnings: &mut Vec<Warning>) -> Result<Zeroizing<Vec<u8>>, AuthorityError> {
    let (content, mode) = read_with_mode(path, size_max)?;
    if mode & READABLE_BY_OTHERS != 0 {
        let place = path.display().to_string();
        // Several listeners may name the same file.
        if warnings.iter().all(|warning| warning.place != place) {
            let problem = "everybody on this machine can read it".into();
            warnings.push(Warning { remedy: format!("chmod o-rwx {place}"), place, problem });
        }
    }
    Ok(content)
}

/// A file that may be read by everybody: a public key, certificates.
pub fn read_public(path: &Path, size_max: u64) -> Result<Vec<u8>, AuthorityError> {
    read_with_mode(path, size_max).map(|(content, _)| content.to_vec())
}

fn read_with_mode(path: &Path, size_max: u64) -> Result<(Zeroizing<Vec<u8>>, u32), AuthorityError> {
    let of_file = |error| AuthorityError::of_file(path, &error);
    let file = File::open(path).map_err(of_file)?;
    let metadata = file.metadata().map_err(of_file)?;
    // Room for all of it at once: a vector that grows leaves copies behind that nobody overwrites.
    let mut content = Zeroizing::new(Vec::with_capacity(metadata.len().min(size_max) as usize + 1));
    file.take(size_max + 1).read_to_end(&mut content).map_err(of_file)?;
    if content.len() as u64 > size_max {
        let problem = format!("it is larger than {size_max} bytes");
        return Err(AuthorityError::new(path.display(), problem, "name the right file"));
    }
    Ok((content, metadata.permissions().mode()))
}
