//! What foreign bytes may cost: every bound of this crate, with its unit.

/// Bounds on what an archive or document may demand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a manifest or index.
    pub manifest_bytes: u64,
    /// Bytes of an image configuration.
    pub config_bytes: u64,
    /// Bytes of one decompressed layer, holes of sparse files not counted.
    pub layer_bytes: u64,
    /// Entries of one archive.
    pub entries: u64,
    /// Bytes of an entry's path or link target.
    pub path_bytes: usize,
    /// Components of an entry's path.
    pub path_depth: usize,
    /// Bytes of one entry's extended (PAX, GNU long name) headers.
    pub extended_header_bytes: u64,
    /// Bytes of names and attributes that are kept until the end of an archive: directories get their
    /// attributes when all is in them, some hard links their targets.
    pub kept_bytes: u64,
    /// Apparent size of one file in bytes, holes included.
    pub file_bytes: u64,
    /// Fragments of one sparse file.
    pub sparse_fragments: usize,
    /// Decompressed bytes for each compressed one, once beyond [`Self::ratio_free_bytes`].
    pub ratio: u64,
    /// Decompressed bytes for which the ratio is not looked at.
    pub ratio_free_bytes: u64,
    /// Layers of one image.
    pub layers: usize,
    /// Entries of an index.
    pub index_entries: usize,
    /// Layers unpacked at the same time; 0 means as many as the machine has processors.
    pub parallel_layers: usize,
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

impl Limits {
    /// What suits every image seen in the field, and keeps a hostile one from filling the machine.
    pub const DEFAULT: Self = Self {
        manifest_bytes: 4 * MIB,
        config_bytes: 8 * MIB,
        layer_bytes: 256 * GIB,
        entries: 4_000_000,
        path_bytes: 4095,
        path_depth: 1024,
        extended_header_bytes: MIB,
        kept_bytes: 512 * MIB,
        file_bytes: 16 << 40,
        sparse_fragments: 1 << 20,
        ratio: 200,
        ratio_free_bytes: GIB,
        layers: 500,
        index_entries: 10_000,
        parallel_layers: 0,
    };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
