//! Access rules: mosquitto's ACL file, and the compiled rules beside a naive twin that tries one rule after the other.

mod acl_file;
mod naive;
mod permissions;
