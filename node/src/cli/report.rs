//! `x0 charter report` and `x0 charter receipt`: telling the committee of a violation, by name or sealed, and what its
//! reporter can prove later.
//!
//! A sealed report is made here and not by the node: the node spreads a record that it can neither read nor tell the
//! author of. The receipt is on disk before the record leaves, as without it the bounty is nobody's.

use std::{
    fs,
    io::{Read as _, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use clap::{Args, Subcommand};
use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::json;
use x0_crypto::{ContentId, PublicKey, Signature, committee::CommitteeKey};
use x0_protocol::{
    Wall,
    charter::violation::{
        receipt::{Authorship, Receipt},
        sealed,
    },
    core::limits::{CASE_RECORD_BYTES_MAX, REPORT_WORK_BITS},
    wire::{Body, decode_record},
};
use zeroize::{Zeroize as _, Zeroizing};

use super::{Context, client::Client, error::CliError};
use crate::api::{
    cases::{CasesView, ReportBody, SubmitBody},
    view::{RecordedView, StatusView},
};

/// Who may read a receipt.
const MODE: u32 = 0o600;
/// Largest receipt that is read, bytes: a record in base64 and a certificate.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// The form of receipts.
const FORMAT: u64 = 1;
/// Work that a report is sealed with unless more is asked for: a second or less of one processor core.
const WORK_BITS: u32 = REPORT_WORK_BITS + 2;
/// How long the committee is waited for, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(500);

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// Report a violation of the charter to the committee
#[derive(Debug, Args)]
#[command(
    after_help = "By name the report is public, signed by this node. With --anonymous only a quorum of the committee's seats\n\
                  can open it, and it is signed by a key used for nothing else; the receipt proves later that you wrote it,\n\
                  and claims the bounty. Your node is the first to send it: who watches its links may guess where it came\n\
                  from. What you write may tell who you are.\n\n\
                  Examples:\n  x0 charter report --sort silent_collection --accused KEY \"It kept where people were\"\n  \
                  x0 charter report --anonymous --receipt receipt.json --sort data_extraction \"Profiles are sold\""
)]
pub(super) struct ReportArgs {
    /// What happened, at most 2,000 bytes
    description: String,
    /// silent_collection, behavioural_prediction, data_extraction or unauthorized_override
    #[arg(long)]
    sort: String,
    /// Who has done it, if you know
    #[arg(long, value_name = "KEY")]
    accused: Option<PublicKey>,
    /// What shows it, by its content id; repeat it for each, up to 16
    #[arg(long = "evidence", value_name = "ID")]
    evidence: Vec<ContentId>,
    /// What you ask for
    #[arg(long, default_value = "", value_name = "TEXT")]
    asked: String,
    /// Seal it to the committee, and sign it by a key used for nothing else
    #[arg(long, requires = "receipt")]
    anonymous: bool,
    /// Where to keep the receipt of an anonymous report; the file must not exist
    #[arg(long, value_name = "FILE", requires = "anonymous")]
    receipt: Option<PathBuf>,
    /// Bits of work, 20 to 40: where reports wait, the one with most work is taken up first
    #[arg(long, value_name = "BITS", requires = "anonymous", value_parser = clap::value_parser!(u32).range(20..=40))]
    work: Option<u32>,
    /// Do not wait until the committee has taken the report up
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum ReceiptCommand {
    /// Show what became of the report, and keep the committee's word for it in the receipt
    #[command(after_help = "Example:\n  x0 charter receipt show receipt.json")]
    Show {
        /// The receipt
        file: PathBuf,
    },
    /// Prove that you wrote the report, in answer to somebody's challenge, and show nothing else
    #[command(
        after_help = "Only the one-time key of this report signs. Let the asker choose the challenge.\n\n\
                      Example:\n  x0 charter receipt prove receipt.json --challenge \"lunch on friday\" > proof.json"
    )]
    Prove {
        /// The receipt
        file: PathBuf,
        /// What the asker wants to be signed
        #[arg(long)]
        challenge: String,
    },
    /// Check somebody's proof against your challenge and what this node knows
    #[command(
        after_help = "Example:\n  x0 charter receipt check proof.json --challenge \"lunch on friday\""
    )]
    Check {
        /// The proof
        proof: PathBuf,
        /// Your challenge
        #[arg(long)]
        challenge: String,
    },
    /// Have the bounty go to a key of your choice
    #[command(
        after_help = "The claim is public: whoever sees it knows that the holder of KEY has to do with the report.\n\n\
                      Example:\n  x0 charter receipt claim receipt.json --to KEY"
    )]
    Claim {
        /// The receipt
        file: PathBuf,
        /// Whose the bounty is to be
        #[arg(long, value_name = "KEY")]
        to: PublicKey,
    },
}

/// A receipt as it is kept; its seed is wiped when it is let go of.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    format: u64,
    mesh: ContentIdText,
    case: ContentIdText,
    seed: String,
    record: String,
    taken_up: Option<String>,
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

/// An id as text, whatever the form of the file.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
struct ContentIdText(String);

impl ContentIdText {
    fn id(&self) -> Result<ContentId, CliError> {
        self.0.parse().map_err(|_| {
            CliError::Failed(format!("{:?} in the file is no id: it is damaged", self.0))
        })
    }
}

/// A proof as it is handed over.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    mesh: ContentIdText,
    case: ContentIdText,
    author: PublicKey,
    challenge: String,
    signature: String,
    record: String,
    taken_up: Option<String>,
}

/// Reports a violation.
pub(super) async fn report(context: &Context, args: ReportArgs) -> Result<(), CliError> {
    let body = ReportBody {
        accused: args.accused,
        sort: args.sort,
        description: args.description,
        evidence: args.evidence,
        asked: args.asked,
    };
    let client = context.client()?;
    let told = body.clone().report().map_err(CliError::Failed)?;
    let Some(file) = args.receipt.filter(|_| args.anonymous) else {
        let recorded: RecordedView = client.post("/v1/charter/reports", &body).await?;
        let taken_up = wait(&client, &recorded.id, args.no_wait).await?;
        return tell(context, &recorded.id, taken_up.is_some(), None);
    };
    let cases: CasesView = client.get("/v1/charter/cases").await?;
    let status: StatusView = client.get("/v1/status").await?;
    let mesh = ContentIdText(cases.mesh.clone()).id()?;
    let key = committee_key(&cases)?;
    let mut seed = Zeroizing::new([0; 32]);
    getrandom::fill(seed.as_mut())
        .map_err(|fault| CliError::Failed(format!("no random numbers: {fault}")))?;
    let receipt = Receipt::of_seed(seed);
    let time = dated(status.time_scale);
    let bits = args.work.unwrap_or(WORK_BITS);
    context
        .output
        .note("Sealing the report and doing its work…");
    let record = sealed::seal(&key, &mesh, &told, &receipt, (time, bits))
        .map_err(|fault| CliError::Failed(fault.to_string()))?;
    let record = record.value();
    let mut kept = Kept {
        format: FORMAT,
        mesh: ContentIdText(mesh.to_string()),
        case: ContentIdText(record.id().to_string()),
        seed: HEXLOWER.encode(receipt.seed().as_slice()),
        record: BASE64.encode(record.bytes()),
        taken_up: None,
    };
    create(&file, &kept)?;
    let body = SubmitBody {
        record: kept.record.clone(),
    };
    let sent: RecordedView = client.post("/v1/charter/reports/sealed", &body).await?;
    kept.taken_up = wait(&client, &sent.id, args.no_wait).await?;
    if kept.taken_up.is_some() {
        replace(&file, &kept)?;
    }
    tell(context, &sent.id, kept.taken_up.is_some(), Some(&file))
}

fn tell(
    context: &Context,
    case: &str,
    is_taken_up: bool,
    receipt: Option<&Path>,
) -> Result<(), CliError> {
    let told = json!({ "case": case, "taken_up": is_taken_up, "receipt": receipt });
    context.output.show(&told, |_| {
        let mut text = format!("case  {case}\n");
        text.push_str(match is_taken_up {
            true => "The committee has taken it up.\n",
            false => "It is on its way; the committee has not taken it up yet.\n",
        });
        if let Some(file) = receipt {
            let file = file.display();
            text.push_str(&format!(
                "Keep {file} like a key: it proves that you wrote the report, and claims the bounty. Nothing brings it back.\n"
            ));
        }
        text
    })
}

/// Answers a command about a receipt.
pub(super) async fn receipt(context: &Context, command: ReceiptCommand) -> Result<(), CliError> {
    match command {
        ReceiptCommand::Show { file } => show(context, &file).await,
        ReceiptCommand::Prove { file, challenge } => {
            let kept = open(&file)?;
            let (mesh, case) = (kept.mesh.id()?, kept.case.id()?);
            let shown = secret(&kept)?.prove(mesh, case, challenge);
            let proof = Proof {
                mesh: kept.mesh.clone(),
                case: kept.case.clone(),
                author: shown.author,
                challenge: shown.challenge,
                signature: HEXLOWER.encode(shown.signature.bytes()),
                record: kept.record.clone(),
                taken_up: kept.taken_up.clone(),
            };
            let text = serde_json::to_string(&proof);
            let text = text.map_err(|fault| CliError::Failed(fault.to_string()))?;
            context.output.raw(&text)
        }
        ReceiptCommand::Check { proof, challenge } => check(context, &proof, &challenge).await,
        ReceiptCommand::Claim { file, to } => {
            let kept = open(&file)?;
            let (mesh, case) = (kept.mesh.id()?, kept.case.id()?);
            let client = context.client()?;
            let status: StatusView = client.get("/v1/status").await?;
            let claim = secret(&kept)?.claim(mesh, case, to, dated(status.time_scale));
            let claim = claim.map_err(|fault| CliError::Failed(fault.to_string()))?;
            let body = SubmitBody {
                record: BASE64.encode(claim.value().bytes()),
            };
            let sent: RecordedView = client.post("/v1/charter/reports/sealed", &body).await?;
            let told = json!({ "claim": sent.id, "case": kept.case.0, "to": to.to_string() });
            context.output.show(&told, |_| {
                format!(
                    "Claimed for {to}: `x0 ledger balance {to}` shows it once the committee has taken the claim up."
                )
            })
        }
    }
}

async fn show(context: &Context, file: &Path) -> Result<(), CliError> {
    let mut kept = open(file)?;
    let cases: CasesView = context.client()?.get("/v1/charter/cases").await?;
    let case = cases.cases.iter().find(|case| case.case == kept.case.0);
    if let Some(taken_up) = case.and_then(|case| case.taken_up.clone())
        && kept.taken_up.is_none()
    {
        kept.taken_up = Some(taken_up);
        replace(file, &kept)?;
    }
    let stage = case.map_or("unknown here", |case| case.stage.as_str());
    let told = json!({ "case": kept.case.0, "stage": stage, "taken_up": kept.taken_up.is_some() });
    context.output.show(&told, |_| {
        let word = match kept.taken_up {
            Some(_) => "the receipt holds the committee's word that it has the report",
            None => "the committee has not taken the report up yet, as far as this node knows",
        };
        format!("case   {}\nstage  {stage}\n{word}", kept.case.0)
    })
}

async fn check(context: &Context, path: &Path, challenge: &str) -> Result<(), CliError> {
    let refuse = |why: &str| Err(CliError::Failed(format!("the proof does not hold: {why}")));
    let text = read(path)?;
    let proof: Proof = serde_json::from_str(&text)
        .map_err(|fault| CliError::Failed(format!("{} is no proof: {fault}", path.display())))?;
    if proof.challenge != challenge {
        return refuse("it answers another challenge");
    }
    let signature = HEXLOWER.decode(proof.signature.as_bytes()).ok();
    let signature: Option<[u8; 64]> = signature.and_then(|bytes| bytes.try_into().ok());
    let Some(signature) = signature else {
        return refuse("its signature is damaged");
    };
    let case = proof.case.id()?;
    let shown = Authorship {
        mesh: proof.mesh.id()?,
        case,
        author: proof.author,
        challenge: proof.challenge.clone(),
        signature: Signature::from_bytes(signature),
    };
    if shown.verify().is_err() {
        return refuse("the key it names has not signed your challenge");
    }
    let record = BASE64.decode(proof.record.as_bytes()).ok();
    let record = record.filter(|bytes| bytes.len() <= CASE_RECORD_BYTES_MAX);
    let record = record.and_then(|bytes| decode_record(&bytes).ok());
    let Some(record) = record.and_then(|record| record.verify().ok()) else {
        return refuse("the report in it is damaged");
    };
    let record = record.value();
    let is_sealed = matches!(record.body(), Body::SealedReport(_));
    let is_of_mesh = record.header().mesh == Some(shown.mesh);
    if record.id() != case || record.author() != shown.author || !is_sealed || !is_of_mesh {
        return refuse("the report in it is not by the key that signed");
    }
    let cases: CasesView = context.client()?.get("/v1/charter/cases").await?;
    let known = cases.cases.iter().find(|known| known.case == proof.case.0);
    let is_known = known.is_some_and(|known| known.taken_up.is_some());
    if cases.mesh != proof.mesh.0 || !is_known {
        return refuse("this node knows of no such report that the committee has taken up");
    }
    let stage = known.map_or("", |known| known.stage.as_str());
    let told = json!({ "ok": true, "case": proof.case.0, "author": proof.author.to_string(), "stage": stage });
    context.output.show(&told, |_| {
        format!(
            "It holds: whoever answered your challenge wrote the report of case {}, which is {stage}.",
            proof.case.0
        )
    })
}

/// Waits until the committee has certified that it has the report, and returns its word.
async fn wait(client: &Client, case: &str, no_wait: bool) -> Result<Option<String>, CliError> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let cases: CasesView = client.get("/v1/charter/cases").await?;
        let known = cases.cases.into_iter().find(|known| known.case == case);
        let word = known.and_then(|known| known.taken_up);
        if word.is_some() || no_wait || std::time::Instant::now() >= until {
            return Ok(word);
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn committee_key(cases: &CasesView) -> Result<CommitteeKey, CliError> {
    let Some(text) = &cases.seal_to else {
        return Err(CliError::Failed(
            "the committee's keys are not known to this node yet, so that nothing can be sealed to it: try again when \
             `x0 status` shows them"
                .to_owned(),
        ));
    };
    let bytes = BASE64.decode(text.as_bytes()).ok();
    let key = bytes.and_then(|bytes| CommitteeKey::from_bytes(&bytes).ok());
    key.ok_or_else(|| CliError::BadAnswer("the committee's key is none".to_owned()))
}

/// Dates what is signed by a one-time key to the full hour, so that the date tells little; on a test mesh, where an hour
/// may be years, to the moment.
fn dated(time_scale: u32) -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.map_or(0, |now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    match time_scale {
        1 => Wall(now - now % HOUR_MS),
        _ => Wall(now),
    }
}

fn secret(kept: &Kept) -> Result<Receipt, CliError> {
    let mut seed = Zeroizing::new([0; 32]);
    let bytes = HEXLOWER.decode(kept.seed.as_bytes()).map(Zeroizing::new);
    match bytes {
        Ok(bytes) if bytes.len() == seed.len() => seed.copy_from_slice(&bytes),
        Ok(_) | Err(_) => {
            return Err(CliError::Failed(
                "the receipt's seed is damaged: use an undamaged copy of the file".to_owned(),
            ));
        }
    }
    Ok(Receipt::of_seed(seed))
}

fn read(path: &Path) -> Result<Zeroizing<String>, CliError> {
    let failed = |cause: std::io::Error| {
        CliError::Failed(format!("{} cannot be read: {cause}", path.display()))
    };
    let file = fs::File::open(path).map_err(failed)?;
    let capacity = usize::try_from(FILE_BYTES_MAX).unwrap_or_default();
    let mut text = Zeroizing::new(String::with_capacity(capacity));
    file.take(FILE_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(failed)?;
    Ok(text)
}

fn open(path: &Path) -> Result<Kept, CliError> {
    let mode = fs::metadata(path).map(|meta| meta.permissions().mode() & 0o777);
    if mode.is_ok_and(|mode| mode & 0o077 != 0) {
        let path = path.display();
        return Err(CliError::Failed(format!(
            "others can read the receipt {path}: run `chmod 600 {path}` and try again"
        )));
    }
    let text = read(path)?;
    let kept: Kept = serde_json::from_str(&text)
        .map_err(|fault| CliError::Failed(format!("{} is no receipt: {fault}", path.display())))?;
    match kept.format {
        FORMAT => Ok(kept),
        other => Err(CliError::Failed(format!(
            "the receipt has form {other}, this program reads form {FORMAT}: use a newer x0"
        ))),
    }
}

fn create(path: &Path, kept: &Kept) -> Result<(), CliError> {
    let failed = |cause: std::io::Error| {
        let path = path.display();
        match cause.kind() == std::io::ErrorKind::AlreadyExists {
            true => CliError::Failed(format!("{path} exists already: name another file")),
            false => CliError::Failed(format!("{path} cannot be written ({cause})")),
        }
    };
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(MODE)
        .open(path)
        .map_err(failed)?;
    let text = serde_json::to_string(kept).map(Zeroizing::new);
    let text = text.map_err(|fault| CliError::Failed(fault.to_string()))?;
    file.write_all(text.as_bytes()).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Writes the receipt anew beside the old one, and puts it in its place.
fn replace(path: &Path, kept: &Kept) -> Result<(), CliError> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let beside = PathBuf::from(name);
    fs::remove_file(&beside).ok();
    create(&beside, kept)?;
    fs::rename(&beside, path).map_err(|cause| {
        CliError::Failed(format!("{} cannot be replaced: {cause}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn kept(seed: [u8; 32]) -> Kept {
        Kept {
            format: FORMAT,
            mesh: ContentIdText(ContentId::of(b"mesh").to_string()),
            case: ContentIdText(ContentId::of(b"report").to_string()),
            seed: HEXLOWER.encode(&seed),
            record: String::new(),
            taken_up: None,
        }
    }

    #[test]
    fn a_receipt_is_read_back_is_its_owners_alone_and_takes_no_other_files_place() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipt.json");
        create(&path, &kept([7; 32])).unwrap();

        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, MODE);
        let read = open(&path).unwrap();
        let receipt = secret(&read).unwrap();
        let expected = Receipt::of_seed(Zeroizing::new([7; 32]));
        assert_eq!(receipt.identity().public(), expected.identity().public());
        assert_eq!(receipt.commitment(), expected.commitment());
        let again = create(&path, &kept([8; 32])).unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
        let mut read = read;
        read.taken_up = Some("word".to_owned());
        replace(&path, &read).unwrap();
        let read = open(&path).unwrap();
        assert_eq!(read.taken_up.as_deref(), Some("word"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_receipt_that_others_can_read_or_that_is_damaged_is_refused_with_the_mend() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipt.json");
        create(&path, &kept([7; 32])).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let refused = open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("chmod 600"), "{refused}");

        let mut short = kept([7; 32]);
        short.seed.truncate(10);
        assert!(secret(&short).is_err());
        let path = dir.path().join("newer.json");
        let mut newer = kept([7; 32]);
        newer.format = 2;
        create(&path, &newer).unwrap();
        let refused = open(&path).map(|_| ()).unwrap_err().to_string();
        assert!(refused.contains("newer x0"), "{refused}");
    }

    #[test]
    fn the_date_of_a_sealed_report_tells_the_hour_and_no_more() {
        assert_eq!(dated(1).0 % HOUR_MS, 0);
        let before = dated(8_000);
        assert!(before.0 >= dated(1).0 && before.0 < dated(1).0 + 2 * HOUR_MS);
    }
}
