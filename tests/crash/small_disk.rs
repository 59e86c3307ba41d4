//! A file system of a few MiB: a tmpfs in a mount namespace of its own, which ends with the process that holds it.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub struct SmallDisk {
    /// Waits for the end of its standard input, which is ours.
    holder: Child,
    mounted_at: PathBuf,
    is_in_user_namespace: bool,
}

impl SmallDisk {
    /// Mounts one on an empty directory, seen by those only who [`enter`](Self::enter) it. The reason if that is not allowed here.
    pub fn mount(on: &Path, mebibytes: u32) -> Result<Self, String> {
        let mut refusal = String::new();
        // As root; or as root of a user namespace, where the system allows that to everybody.
        for is_in_user_namespace in [false, true] {
            let mut command = Command::new("unshare");
            command.args(["--mount", "--propagation", "private"]);
            if is_in_user_namespace {
                command.arg("--map-root-user");
            }
            let script = "mount -t tmpfs -o size=$1m small \"$0\" && echo mounted && exec cat";
            command.args(["sh", "-c", script]).arg(on).arg(mebibytes.to_string());
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut holder = command.spawn().map_err(|error| format!("unshare: {error}"))?;
            let mut told = String::new();
            BufReader::new(holder.stdout.take().expect("a pipe")).read_line(&mut told).expect("a pipe");
            if told.trim() == "mounted" {
                return Ok(Self { holder, mounted_at: on.into(), is_in_user_namespace });
            }
            let output = holder.wait_with_output().expect("a child");
            refusal += &String::from_utf8_lossy(&output.stderr);
        }
        Err(refusal)
    }

    /// What comes before a command to run it where this file system is.
    pub fn enter(&self) -> Vec<String> {
        let mut words: Vec<String> =
            ["nsenter", "--target", &self.holder.id().to_string(), "--mount"].map(String::from).into();
        if self.is_in_user_namespace {
            words.extend(["--user", "--preserve-credentials"].map(String::from));
        }
        words.push("--".into());
        words
    }

    /// Takes room.
    pub fn put_ballast(&self, bytes: usize) {
        fs::write(self.ballast(), vec![1; bytes]).expect("there is room for the ballast");
    }

    pub fn delete_ballast(&self) {
        fs::remove_file(self.ballast()).expect("the ballast is there");
    }

    fn ballast(&self) -> PathBuf {
        let inside = self.mounted_at.strip_prefix("/").expect("an absolute path");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(inside).join("ballast")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // The mount goes with the last process that sees it.
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}
