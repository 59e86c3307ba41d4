//! Access rules: mosquitto's ACL file, and the compiled rules beside a naive twin that tries one rule after the other;
//! and what one client may send.

mod acl_file;
mod meter;
mod naive;
mod permissions;
