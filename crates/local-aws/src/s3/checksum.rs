//! The checksums that S3 takes with a body, as they stand in headers: base64 of the big-endian digest.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crc::{CRC_32_ISCSI, CRC_32_ISO_HDLC, CRC_64_NVME, Crc};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    /// The algorithm that a header or trailer such as `x-amz-checksum-crc32` names.
    pub(super) fn of_header(name: &str) -> Option<Self> {
        let all = [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];
        all.into_iter().find(|algorithm| algorithm.header() == name)
    }

    pub(super) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The checksum of a body.
    pub(super) fn of(self, body: &[u8]) -> String {
        match self {
            Self::Crc32 => STANDARD.encode(Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(body).to_be_bytes()),
            Self::Crc32c => STANDARD.encode(Crc::<u32>::new(&CRC_32_ISCSI).checksum(body).to_be_bytes()),
            Self::Crc64Nvme => STANDARD.encode(Crc::<u64>::new(&CRC_64_NVME).checksum(body).to_be_bytes()),
            Self::Sha1 => STANDARD.encode(Sha1::digest(body)),
            Self::Sha256 => STANDARD.encode(Sha256::digest(body)),
        }
    }
}

/// The value of `Content-MD5`.
pub(super) fn md5_base64(body: &[u8]) -> String {
    STANDARD.encode(Md5::digest(body))
}

/// The ETag of an object put in one piece, without its quotes.
pub(super) fn etag(body: &[u8]) -> String {
    hex(&Md5::digest(body))
}

/// The value of `x-amz-content-sha256`.
pub(super) fn sha256_hex(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// "123456789" is the check input of the catalogue of CRC algorithms.
    #[test]
    fn gives_the_catalogue_values() {
        let of = |algorithm: Algorithm| STANDARD.decode(algorithm.of(b"123456789")).map(|bytes| hex(&bytes));
        assert_eq!(of(Algorithm::Crc32).as_deref(), Ok("cbf43926"));
        assert_eq!(of(Algorithm::Crc32c).as_deref(), Ok("e3069283"));
        assert_eq!(of(Algorithm::Crc64Nvme).as_deref(), Ok("ae8b14860a799888"));
        assert_eq!(etag(b""), "d41d8cd98f00b204e9800998ecf8427e");
    }
}
