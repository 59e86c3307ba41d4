//! The topics of a factory: sites with lines, lines with devices, and what each device reports.

/// What each device reports, in turn.
pub const REPORTS: [&str; 4] = ["temperature", "pressure", "vibration", "state"];

/// A tree of topics below a prefix.
#[derive(Clone, Debug)]
pub struct DeviceTree {
    pub prefix: String,
    pub lines_per_site: usize,
    pub devices_per_line: usize,
}

impl DeviceTree {
    /// `{prefix}/site/S/line/L/device/D` of a device by its number.
    pub fn device(&self, number: usize) -> String {
        let (line, device) = (number / self.devices_per_line, number % self.devices_per_line);
        let (site, line) = (line / self.lines_per_site, line % self.lines_per_site);
        format!("{}/site/{site}/line/{line}/device/{device}", self.prefix)
    }

    /// A topic by its number: [`REPORTS`] of the first device, then of the next.
    pub fn topic(&self, number: usize) -> String {
        format!("{}/{}", self.device(number / REPORTS.len()), REPORTS[number % REPORTS.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_through_reports_then_devices_then_lines_then_sites() {
        let tree = DeviceTree { prefix: "p".into(), lines_per_site: 2, devices_per_line: 3 };
        for (number, expected) in [
            (0, "p/site/0/line/0/device/0/temperature"),
            (5, "p/site/0/line/0/device/1/pressure"),
            (12, "p/site/0/line/1/device/0/temperature"),
            (27, "p/site/1/line/0/device/0/state"),
        ] {
            assert_eq!(tree.topic(number), expected);
        }
    }
}
