//! Latencies as an interval log, the text format that the tools of HdrHistogram read. Values are nanoseconds.

use super::latency::Latencies;
use anyhow::Context;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// The file, and what its writer needs beside it.
pub struct HdrFile {
    file: File,
    serializer: V2DeflateSerializer,
}

/// A log that is being written.
pub struct HdrLog<'a> {
    writer: IntervalLogWriter<'a, 'a, File, V2DeflateSerializer>,
}

/// The log shows the maximum of each interval in milliseconds, as the tools expect of one.
const MAX_VALUE_DIVISOR: f64 = 1e6;

/// The version and the legend as HdrHistogram's own writer has them.
const PREAMBLE: &str = "#[Histogram log format version 1.3]\n\
    \"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"\n";

impl HdrFile {
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
        Ok(Self { file, serializer: V2DeflateSerializer::new() })
    }

    /// Writes the header. Times of the intervals count from `start`.
    pub fn begin(&mut self, title: &str, start: SystemTime) -> anyhow::Result<HdrLog<'_>> {
        self.file.write_all(PREAMBLE.as_bytes()).context(CANNOT_WRITE)?;
        let mut header = IntervalLogWriterBuilder::new();
        header.add_comment(&format!("[{title}; values in nanoseconds]")).with_max_value_divisor(MAX_VALUE_DIVISOR);
        header.with_start_time(start).with_base_time(start);
        Ok(HdrLog { writer: header.begin_log_with(&mut self.file, &mut self.serializer).context(CANNOT_WRITE)? })
    }
}

impl HdrLog<'_> {
    /// Writes one interval; `start` is since the log's start.
    pub fn write(&mut self, latencies: &Latencies, start: Duration, length: Duration) -> anyhow::Result<()> {
        self.writer.write_histogram(latencies.histogram(), start, length, None).context(CANNOT_WRITE)
    }
}

const CANNOT_WRITE: &str = "cannot write the HDR log";
