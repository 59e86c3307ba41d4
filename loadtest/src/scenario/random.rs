//! Random numbers that are the same for the same seed, on each machine and in each release, so that a scenario can be
//! repeated: SplitMix64 (Steele, Lea and Flood: Fast Splittable Pseudorandom Number Generators, 2014).

#[derive(Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// A number below `bound`. Its bias is that of a remainder of 64 bits: none that a scenario could notice.
    pub fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ mixed >> 31) % bound as u64) as usize
    }
}
