//! Reports that nobody reads but the committee.
//!
//! A report is padded to one length and sealed to a label that names the mesh, the report's one-time key and the hash
//! of its receipt's secret. A quorum of seats signs the label once the log has taken the report up; then every seat
//! reads it, and nobody else. What was copied into another report has another label and does not open.

use x0_crypto::{
    ContentId, Identity, PublicKey,
    committee::{CommitteeKey, SealToError, ThresholdSignature},
};
use zeroize::Zeroizing;

use super::receipt::Receipt;
use crate::{
    core::{limits::REPORT_PLAINTEXT_BYTES, reject::RejectReason, time::Wall},
    wire::{
        Body, DecodeError, Draft, Record, Report, SealedReport, Verified, decode_entry,
        encode_entry,
    },
};

/// Bytes that say how long the report is.
const LENGTH_BYTES: usize = 2;

/// Why a report is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsealed {
    /// It is too long.
    #[error("the report has {0} bytes encoded, more than {max}: shorten the description", max = REPORT_PLAINTEXT_BYTES - LENGTH_BYTES)]
    TooLong(usize),
    /// The report is out of bounds.
    #[error(transparent)]
    Bounds(#[from] DecodeError),
    /// Nothing can be sealed to the key.
    #[error(transparent)]
    Seal(#[from] SealToError),
    /// No record can be made of it.
    #[error(transparent)]
    Record(#[from] RejectReason),
}

/// Returns the label to which a report is sealed, and which the committee signs to open it.
pub fn label(mesh: &ContentId, author: &PublicKey, commitment: &ContentId) -> Vec<u8> {
    encode_entry(&("x0/report/sealed/1", mesh, author, commitment))
}

/// Seals a report into a record of the receipt's one-time key, with so many bits of work.
///
/// # Errors
///
/// Returns what is wrong with the report or the key.
pub fn seal(
    key: &CommitteeKey,
    mesh: &ContentId,
    report: &Report,
    receipt: &Receipt,
    (time, work_bits): (Wall, u32),
) -> Result<Verified<Record>, Unsealed> {
    report.check()?;
    let identity: Identity = receipt.identity();
    let (author, commitment) = (identity.public(), receipt.commitment());
    let plaintext = padded(report)?;
    let sealed = key.seal_to(
        &label(mesh, &author, &commitment),
        &plaintext,
        &receipt.sealing_seed(),
    )?;
    let mut sealed = SealedReport {
        commitment,
        sealed,
        nonce: 0,
    };
    sealed.find_nonce(mesh, &author, work_bits);
    let body = Body::SealedReport(Box::new(sealed));
    let draft = Draft::new(Some(*mesh), author, (0, None), time, receipt.salt(), body);
    Ok(draft.sign(&identity)?)
}

/// Opens a report with a signature that was found to be the committee's over its label; none if it is no report.
pub(crate) fn open(
    mesh: &ContentId,
    author: &PublicKey,
    report: &SealedReport,
    signature: &ThresholdSignature,
) -> Option<Report> {
    let label = label(mesh, author, &report.commitment);
    let plaintext = report.sealed.open_with(&label, signature).ok()?;
    let (length, rest) = plaintext.split_first_chunk::<LENGTH_BYTES>()?;
    let (encoded, padding) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    if padding.iter().any(|byte| *byte != 0) {
        return None;
    }
    let report: Report = decode_entry("report", encoded, REPORT_PLAINTEXT_BYTES).ok()?;
    report.check().ok()?;
    Some(report)
}

fn padded(report: &Report) -> Result<Zeroizing<Vec<u8>>, Unsealed> {
    let encoded = Zeroizing::new(encode_entry(report));
    let fits = encoded.len() + LENGTH_BYTES <= REPORT_PLAINTEXT_BYTES;
    let length = u16::try_from(encoded.len()).ok().filter(|_| fits);
    let Some(length) = length else {
        return Err(Unsealed::TooLong(encoded.len()));
    };
    let mut plaintext = Zeroizing::new(Vec::with_capacity(REPORT_PLAINTEXT_BYTES));
    plaintext.extend_from_slice(&length.to_be_bytes());
    plaintext.extend_from_slice(&encoded);
    plaintext.resize(REPORT_PLAINTEXT_BYTES, 0);
    Ok(plaintext)
}
