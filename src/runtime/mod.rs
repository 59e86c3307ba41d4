//! Executor placement, the shard's turn, mailboxes between shards, clock, signals, shutdown.
