//! What a processor must have to run this program.
//!
//! On x86 RocksDB is compiled for the instructions that compute its checksums (`.cargo/config.toml`): a processor without them
//! would stop the program in the middle of its first write.

use super::error::CliError;

/// What RocksDB was compiled with, if anything; only x86 has it.
#[cfg(target_arch = "x86_64")]
const COMPILED_WITH: Option<&str> = option_env!("CXXFLAGS_x86_64_unknown_linux_gnu");

/// Checks that the processor has what the program was compiled for.
///
/// # Errors
///
/// Returns what it lacks, and the mend.
pub(super) fn check() -> Result<(), CliError> {
    #[cfg(target_arch = "x86_64")]
    if let Some(flags) = COMPILED_WITH.filter(|flags| !flags.is_empty())
        && !(std::is_x86_feature_detected!("sse4.2") && std::is_x86_feature_detected!("pclmulqdq"))
    {
        return Err(CliError::Failed(format!(
            "this processor has no SSE4.2 or no PCLMULQDQ, like those made before 2010, and this program was compiled for them: \
             build it there from source, with \"{flags}\" taken out of .cargo/config.toml"
        )));
    }
    Ok(())
}
