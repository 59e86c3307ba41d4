//! Topic filters and topic names: what is accepted has the form that section 4.7 gives it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ringmq::codec::ReasonCode;
use ringmq::codec::topic::{self, Filter};

const LENGTH_MAX: usize = 64;
const LEVELS_MAX: usize = 8;

fuzz_target!(|text: &str| {
    match Filter::parse(text, LENGTH_MAX, LEVELS_MAX) {
        Ok(parsed) => {
            match parsed.share {
                Some(share) => {
                    assert!(!share.is_empty() && !share.contains(['/', '+', '#']));
                    assert_eq!(text, format!("$share/{share}/{}", parsed.filter));
                }
                None => assert_eq!(text, parsed.filter),
            }
            let levels: Vec<_> = parsed.filter.split('/').collect();
            assert!(!parsed.filter.is_empty() && !text.contains('\0'));
            assert!(text.len() <= LENGTH_MAX && levels.len() <= LEVELS_MAX);
            for (position, level) in levels.iter().enumerate() {
                let is_last = position + 1 == levels.len();
                assert!(!level.contains(['+', '#']) || *level == "+" || (*level == "#" && is_last), "{text:?}");
            }
            assert_eq!(parsed.has_wildcard(), parsed.filter.contains(['+', '#']));
        }
        Err(violation) => assert_eq!(violation.reason(), ReasonCode::TopicFilterInvalid),
    }
    match topic::check_name(text, LENGTH_MAX, LEVELS_MAX) {
        Ok(()) => {
            assert!(!text.is_empty() && !text.contains(['+', '#', '\0']));
            assert!(text.len() <= LENGTH_MAX && text.split('/').count() <= LEVELS_MAX);
        }
        Err(violation) => assert_eq!(violation.reason(), ReasonCode::TopicNameInvalid),
    }
});
