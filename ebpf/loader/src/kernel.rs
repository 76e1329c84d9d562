//! The kernel side as seen from the helper: programs loaded, attached and pinned, and what is read from them.
//!
//! - *Attached once*, to one cgroup under which every guarded process runs; each service has a cgroup of its own there.
//!   A cgroup without rules in the policy in force may send nothing.
//! - *Pinned*: links and maps stand in a directory of a BPF file system that only root enters, named by the digest of the
//!   programs. Killing the helper changes nothing; the next one adopts what it finds. Programs of another version are
//!   attached beside the old ones before those are let go, so that no packet passes unjudged.
//!
//! Rules are written by `tables`. Nothing here speaks to users.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _},
    path::{Path, PathBuf},
};

use aya::{
    Ebpf, EbpfError, EbpfLoader,
    maps::{MapData, MapError, PerCpuArray, RingBuf},
    programs::{
        CgroupAttachMode, CgroupSkbAttachType, Program, ProgramError,
        links::{FdLink, LinkError, PinnedLink},
    },
};
use sha2::{Digest as _, Sha256};
use x0_ebpf_common::{
    event::Event,
    reason::{COUNT_CHECKED, COUNT_DELIVERED, COUNT_LOST, COUNTERS, Reason},
};

use crate::{
    error::ProbeError,
    place::{self, Places},
    policy::Checked,
    tables::Tables,
};

/// The programs, built by `scripts/ebpf.sh` and checked in, so that building the node takes no toolchain for the kernel.
static PROGRAMS: &[u8] = aya::include_bytes_aligned!("../programs.o");

/// Programs, by the name of their function.
const HOOKS: [&str; 8] = [
    "egress",
    "connect4",
    "connect6",
    "sendmsg4",
    "sendmsg6",
    "bind4",
    "bind6",
    "sock_create",
];

/// Characters of the digest that name the directory of a version.
const VERSION_CHARS: usize = 16;

/// The charter in the kernel.
pub struct Kernel {
    places: Places,
    tables: Tables,
    counts: PerCpuArray<MapData, u64>,
    services: BTreeMap<u64, String>,
    home: PathBuf,
    was_adopted: bool,
}

/// What the kernel counted since its maps were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// StatsD datagrams of which every name was checked and on the list.
    pub checked: u64,
    /// Refusals, by reason.
    pub refused: BTreeMap<Reason, u64>,
    /// Refusals whose event could be written.
    pub delivered: u64,
    /// Refusals whose event found the buffer full.
    pub lost: u64,
}

/// Refusals, as the kernel tells them.
pub struct Events(RingBuf<MapData>);

impl Events {
    /// Returns the next event that waits, if there is one. An event that this build cannot read is passed over; it
    /// stays counted.
    pub fn take_next(&mut self) -> Option<Event> {
        while let Some(item) = self.0.next() {
            if let Some(event) = Event::from_bytes(&item) {
                return Some(event);
            }
        }
        None
    }

    /// Returns the descriptor that becomes readable when an event waits.
    pub const fn ready(&self) -> &RingBuf<MapData> {
        &self.0
    }
}

impl Kernel {
    /// Loads the programs, or adopts what an earlier helper left pinned.
    ///
    /// # Errors
    ///
    /// Returns what is missing: the right, the cgroup file system, or a hook.
    pub fn start(places: Places) -> Result<(Self, Events), ProbeError> {
        Self::start_with(places, PROGRAMS)
    }

    /// Does the same with programs of the caller's.
    ///
    /// # Errors
    ///
    /// As for [`Kernel::start`].
    pub fn start_with(places: Places, programs: &[u8]) -> Result<(Self, Events), ProbeError> {
        place::prepare(&places)?;
        let digest = Sha256::digest(programs);
        let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let home = places.pins.join(&digest[..VERSION_CHARS]);
        let was_adopted = home.join("links").join("egress").exists();
        for dir in [&home, &home.join("links")] {
            make_private(dir)?;
        }
        let mut ebpf = EbpfLoader::new()
            .default_map_pin_directory(&home)
            .load(programs)
            .map_err(loading)?;
        attach(&mut ebpf, &places.cgroup, &home.join("links"))?;
        let events = take(&mut ebpf, "EVENTS", RingBuf::try_from)?;
        let kernel = Self {
            tables: Tables::of(&mut ebpf)?,
            counts: take(&mut ebpf, "COUNTS", PerCpuArray::try_from)?,
            services: BTreeMap::new(),
            home,
            was_adopted,
            places,
        };
        Ok((kernel, Events(events)))
    }

    /// Tells whether an earlier helper had left the gate in place.
    pub const fn was_adopted(&self) -> bool {
        self.was_adopted
    }

    /// Puts a policy in force, in one step for every packet, and lets go of older programs.
    ///
    /// # Errors
    ///
    /// Returns what could not be written; the policy before then stays in force.
    pub fn apply(&mut self, policy: &Checked) -> Result<(), ProbeError> {
        let mut cgroups = BTreeMap::new();
        for name in policy.policy().services.keys() {
            let dir = self.service_dir(name);
            make_plain(&dir)?;
            cgroups.insert(name.clone(), cgroup_id(&dir)?);
        }
        self.tables.apply(policy, &cgroups)?;
        let gone: Vec<String> = self
            .services
            .values()
            .filter(|name| !cgroups.contains_key(*name))
            .cloned()
            .collect();
        self.services = cgroups.into_iter().map(|(name, id)| (id, name)).collect();
        for name in gone {
            // One that still holds processes stays, and they may send nothing any more.
            fs::remove_dir(self.service_dir(&name)).ok();
        }
        self.drop_other_versions();
        Ok(())
    }

    /// Returns the directory of a service's cgroup.
    pub fn service_dir(&self, service: &str) -> PathBuf {
        self.places.cgroup.join(service)
    }

    /// Returns the service whose cgroup this is.
    pub fn service_of(&self, cgroup: u64) -> Option<&str> {
        self.services.get(&cgroup).map(String::as_str)
    }

    /// Returns where everything stands.
    pub const fn places(&self) -> &Places {
        &self.places
    }

    /// Tells whether a policy is in force, from this helper or one before it.
    ///
    /// # Errors
    ///
    /// Returns why that could not be read.
    pub fn is_in_force(&self) -> Result<bool, ProbeError> {
        self.tables.is_in_force()
    }

    /// Returns the keyed hash of a name, as events tell it.
    ///
    /// # Errors
    ///
    /// Returns why the key could not be read.
    pub fn hash(&self, name: &[u8]) -> Result<u64, ProbeError> {
        self.tables.hash(name)
    }

    /// Returns how many processes run under the rules of a service.
    pub fn guarded(&self, service: &str) -> usize {
        let procs = fs::read_to_string(self.service_dir(service).join("cgroup.procs"));
        procs.map_or(0, |procs| procs.lines().count())
    }

    /// Reads the counters.
    ///
    /// # Errors
    ///
    /// Returns why they could not be read.
    pub fn counts(&self) -> Result<Counts, ProbeError> {
        let mut sums = Vec::new();
        for place in 0..COUNTERS {
            let each = self.counts.get(&place, 0).map_err(maps)?;
            sums.push(each.iter().sum::<u64>());
        }
        let sum = |place: u32| sums.get(place as usize).copied().unwrap_or(0);
        let refused = Reason::ALL
            .iter()
            .map(|reason| (*reason, sum(reason.counter())));
        Ok(Counts {
            checked: sum(COUNT_CHECKED),
            refused: refused.filter(|(_, count)| *count > 0).collect(),
            delivered: sum(COUNT_DELIVERED),
            lost: sum(COUNT_LOST),
        })
    }

    fn drop_other_versions(&self) {
        let versions = fs::read_dir(&self.places.pins)
            .into_iter()
            .flatten()
            .flatten();
        for version in versions.filter(|version| version.path() != self.home) {
            for dir in [version.path().join("links"), version.path()] {
                for pin in fs::read_dir(&dir).into_iter().flatten().flatten() {
                    fs::remove_file(pin.path()).ok();
                }
                fs::remove_dir(&dir).ok();
            }
        }
    }
}

/// Attaches what is not attached to this cgroup yet, and pins it.
fn attach(ebpf: &mut Ebpf, cgroup: &Path, links: &Path) -> Result<(), ProbeError> {
    let file = File::open(cgroup).map_err(|cause| ProbeError::io("open", cgroup, cause))?;
    let id = cgroup_id(cgroup)?;
    for hook in HOOKS {
        let pin = links.join(hook);
        if pin.exists() {
            if is_alive(&pin, id) {
                continue;
            }
            // Its cgroup was removed meanwhile: the link holds on to nothing.
            fs::remove_file(&pin).map_err(|cause| ProbeError::io("remove", &pin, cause))?;
        }
        let missing = |cause: ProgramError| ProbeError::hook(hook, &cause);
        let program = ebpf.program_mut(hook).ok_or_else(|| ProbeError::Programs {
            detail: format!("the programs have no hook '{hook}'"),
        })?;
        // A link takes other programs beside it in any case; the kernel refuses to be told so again.
        let mode = CgroupAttachMode::Single;
        let link: Result<FdLink, LinkError> = if let Program::CgroupSkb(program) = program {
            program.load().map_err(missing)?;
            let egress = CgroupSkbAttachType::Egress;
            let link = program.attach(&file, egress, mode).map_err(missing)?;
            program.take_link(link).map_err(missing)?.try_into()
        } else if let Program::CgroupSockAddr(program) = program {
            program.load().map_err(missing)?;
            let link = program.attach(&file, mode).map_err(missing)?;
            program.take_link(link).map_err(missing)?.try_into()
        } else if let Program::CgroupSock(program) = program {
            program.load().map_err(missing)?;
            let link = program.attach(&file, mode).map_err(missing)?;
            program.take_link(link).map_err(missing)?.try_into()
        } else {
            let detail = format!("'{hook}' is a {:?}", program.prog_type());
            return Err(ProbeError::Programs { detail });
        };
        let pinned = link
            .map_err(|cause| cause.to_string())
            .and_then(|link| link.pin(&pin).map_err(|cause| cause.to_string()));
        pinned.map_err(|detail| ProbeError::Programs { detail })?;
    }
    Ok(())
}

/// Tells whether a pinned link holds on to this cgroup. The kernel says it of open descriptors in `/proc` only.
fn is_alive(pin: &Path, cgroup: u64) -> bool {
    let Ok(link) = PinnedLink::from_pin(pin).map(FdLink::from) else {
        return false;
    };
    let Ok(info) = link.info() else {
        return false;
    };
    let field = |text: &str, name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.and_then(|value| value.trim().parse::<u64>().ok())
    };
    let open = fs::read_dir("/proc/self/fdinfo")
        .into_iter()
        .flatten()
        .flatten();
    let mut infos = open.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    infos.any(|text| {
        field(&text, "link_id") == Some(u64::from(info.id()))
            && field(&text, "cgroup_id") == Some(cgroup)
    })
}

/// Returns the kernel's id of a cgroup, which is the inode number of its directory.
fn cgroup_id(dir: &Path) -> Result<u64, ProbeError> {
    let metadata = fs::metadata(dir).map_err(|cause| ProbeError::io("look at", dir, cause))?;
    Ok(metadata.ino())
}

fn make_private(dir: &Path) -> Result<(), ProbeError> {
    made(dir, fs::DirBuilder::new().mode(0o700).create(dir))
}

fn make_plain(dir: &Path) -> Result<(), ProbeError> {
    made(dir, fs::DirBuilder::new().mode(0o755).create(dir))
}

fn made(dir: &Path, result: io::Result<()>) -> Result<(), ProbeError> {
    match result {
        Err(cause) if cause.kind() != io::ErrorKind::AlreadyExists => {
            Err(ProbeError::io("make", dir, cause))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Takes a map out of the loaded object.
pub(crate) fn take<T>(
    ebpf: &mut Ebpf,
    name: &str,
    typed: impl FnOnce(aya::maps::Map) -> Result<T, MapError>,
) -> Result<T, ProbeError> {
    let map = ebpf.take_map(name).ok_or_else(|| ProbeError::Programs {
        detail: format!("the programs have no map '{name}'"),
    })?;
    typed(map).map_err(maps)
}

pub(crate) fn maps(cause: MapError) -> ProbeError {
    ProbeError::of_kernel("a map", &cause)
}

fn loading(cause: EbpfError) -> ProbeError {
    ProbeError::of_kernel("the programs", &cause)
}
