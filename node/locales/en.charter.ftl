
# What is about the charter, in English: its words on the dashboard and on the command line, cases, the public log.

## What a charter says, on the command line as well

charter-labels = {" "}by { $labels }
charter-days = { $n ->
    [one] { $n } day
   *[other] { $n } days
}
charter-nodes = { $n ->
    [one] { $n } node
   *[other] { $n } nodes
}
charter-consent-asked = asked for
charter-consent-not-needed = not needed
charter-guard = What goes to port { $port } is read as { $parser }, and refused if a name is not listed.
charter-watchers = { $members } members and { $researchers } researchers; { $approvals } of them decide; an audit every { $days } days
charter-window-vote = a vote { $n } h
charter-window-emergency = an emergency vote { $n } min
charter-window-override = an override is told within { $n } min
charter-window-report = a report is processed within { $n } h
charter-window-export = your data is handed out within { $n } h
charter-window-erase = an erasure is final after { $n } days
charter-penalty-removal = removal for good
charter-penalty-ban = a ban of { $n } days
charter-penalty-fine = a fine of { $n } x0
charter-penalty-deletion = deletion of what was taken
charter-penalty-probation = probation of { $n } days
charter-penalty-referral = public referral
charter-bounty = Who reports one gets { $least } to { $most } x0.

## The page of the charter

charter-lead = What this mesh may collect about anybody, what it never may, who watches over that, and how this machine is held to it right now.
charter-none = This mesh was founded without a charter. This node keeps to the one that ships with the program; nobody can amend it, and nobody decides about violations.
charter-number = Number
charter-id = Name, by which everybody can check that it is the same
charter-cases = { $n ->
    [0] No reported violation is open
    [one] { $n } reported violation is open
   *[other] { $n } reported violations are open
}
charter-cases-overdue = { $n } overdue
charter-principles = The eight principles
principle-no-hidden-collection = No hidden collection
principle-data-minimization = Only what is necessary
principle-user-control = People own their data
principle-no-behavioural-prediction = No prediction of behaviour for control
principle-privacy-by-design = Privacy by design
principle-algorithm-transparency = Models can be explained
principle-no-exploitation = No exploitation
principle-public-override = Every override is public
charter-collected = What may be collected, and nothing else
charter-collected-what = Each of these numbers has a purpose, a time after which it is forgotten, and a number of nodes over which it is combined before anybody but the operator sees it.
charter-handed-out = handed out
charter-never = What may never be collected
charter-never-what = Nothing by these names leaves this node, whoever asks.
charter-never-names = These names
charter-never-prefixes = All names that begin like this
charter-ways = Who may speak to whom
charter-ways-what = Programs beside the node reach these hosts and no others, where the kernel holds them to it.
charter-own-machine = this machine
charter-anybody = anybody
charter-every-service = every one of them
charter-gateway = the gateway on this machine
charter-watch = Who watches
charter-windows = How long things take
charter-penalties = What follows from a violation
charter-report = To report one, also without a name:
column-name = Name
column-purpose = For
column-kept = Kept
column-consent = Consent
column-shown-over = Shown over
column-here = This node
column-service = Program
column-hosts = May reach
column-ports = Ports

## An amendment that is voted on

amendments-title = { $n ->
    [one] An amendment is voted on
   *[other] { $n } amendments are voted on
}
amendment-number = Charter number { $number }
amendment-closes = closes
amendment-by = proposed by
amendment-charter = The new charter
amendment-counted = Counted
amendment-sums = { $yes } yes, { $no } no, { $abstain } abstain
amendment-loss = people lose
amendment-gain = people gain
amendment-neutral = else
amendment-nothing = Nothing that it says changes.
amendment-more = and { $n } more changes
amendment-vote = To vote:
amendment-follow = How far it is:

## What enforces it here and now

enforced = How it is enforced here, now
enforced-node = The node’s own filter is at work: { $out } numbers are handed out, { $held } are counted and held back.
enforced-gateway-open = The gateway takes telemetry of programs in at { $address }: { $taken } samples taken, { $refused } refused.
enforced-gateway-off = The gateway is switched off: programs on this machine have nowhere to hand telemetry in. The setting:
enforced-gateway-opening = The gateway is starting.
enforced-gateway-failed = The gateway takes nothing in at { $address } and tries again:
enforced-kernel-in-force = The kernel of this machine enforces charter number { $number }, and follows amendments by itself.
enforced-kernel-waiting = Whether the kernel enforces the charter is not known yet: the node is catching up.
enforced-kernel-manual = Its operator decides what the kernel enforces (charter.probe is manual). To load the charter:
enforced-kernel-no-helper = Nothing is enforced in the kernel of this machine: no helper runs, which takes root. The node still filters all that it hands out itself, but programs beside it are not held to the charter. To change that:
enforced-kernel-not-owner = The kernel’s helper belongs to somebody else, who decides what it enforces:
enforced-kernel-by-hand = The kernel enforces a policy that somebody wrote, not the charter; it is left alone. To make one that is followed:
enforced-kernel-failed = The kernel is BEHIND: charter number { $number } could not be loaded, and it is tried again:
enforced-no-policy = The kernel’s helper has no policy: programs under guard can send nothing at all.
enforced-guarded = { $n ->
    [0] No program runs under guard of the kernel.
    [one] { $n } program runs under guard of the kernel.
   *[other] { $n } programs run under guard of the kernel.
}
enforced-counted = The kernel has checked and passed { $passed } datagrams of telemetry, and has refused { $refused } times.
enforced-none-lost = No refusal was lost: each was told.
enforced-lost = { $n ->
    [one] { $n } refusal was lost without being told: the charter counts it as a violation.
   *[other] { $n } refusals were lost without being told: the charter counts each as a violation.
}
own-audit = Audit of this node
own-audit-what = What this node hands out right now, name by name, held against the charter. It sees the node and the kernel’s helper, and nothing that an operator runs beside them.
own-audit-clean = Nothing violates the charter.
own-audit-violations = { $n ->
    [one] VIOLATION: one finding
   *[other] VIOLATIONS: { $n } findings
}
own-audit-elsewhere = The same on the command line:
refusals = What the kernel refused, as it comes
refusals-what = Who tried, where to, and why it was refused. A name that was refused is shown as its keyed hash, for a name can itself be personal data; the operator finds out with x0 charter probe hash.
refusals-unseen = The kernel’s refusals cannot be shown, for its helper tells nothing to this node. Everything else on this page holds all the same.
refusals-empty-title = Nothing was refused yet
refusals-empty = When a program under guard sends what the charter does not allow, it appears here within seconds.
refusal-no-service = no service
refusal-process = process { $pid }, user { $uid }
refusal-name-hash = hash of the name
refusal-no-policy = its group of programs has no rules
refusal-destination = that host is not on the list of its service
refusal-telemetry-elsewhere = telemetry may go to the local gateway only
refusal-telemetry-from-node = the node itself may not reach ports of telemetry
refusal-name = the metric’s name is not on the list
refusal-malformed = the datagram is not made of plain StatsD lines
refusal-oversized = the datagram is longer than what is checked
refusal-fragment = the packet is a fragment
refusal-headers = the packet has headers that are not followed
refusal-segmented = one send would make several datagrams
refusal-shared-memory = its sender could still change what was to be checked
refusal-transport = the names could not be checked on this transport
refusal-socket-kind = only TCP and UDP are allowed
refusal-listen = it may not serve on that port
gateway-refusals = What the gateway refused
gateway-refusals-what = Telemetry that programs handed in and the charter does not allow. The names are kept in memory alone and shown to this node’s operator alone.
column-source = From
column-times = Times
column-why = Why
column-last = Last

## Violations

cases-lead = Violations of the charter that somebody reported: how far each is, what was decided, and what follows. What came sealed is never shown here, and nobody who reported without a name is named.
cases-empty-title = No violation was reported
cases-empty = As far as this node knows. Anybody can report one, by name or without, and the committee has to answer:
cases-overdue = { $n ->
    [one] { $n } case is overdue: the committee has not answered in the time that the charter gives it.
   *[other] { $n } cases are overdue: the committee has not answered in the time that the charter gives it.
}
barred-suspended = This node is suspended by a verdict: what it writes about others has no effect, until
barred-probation = This node is on probation by a verdict: it may change itself only, until
barred-removed = This node was removed from the mesh by a verdict, for good.
case = Case
case-overdue = OVERDUE
case-since = Since
case-due = To be decided by
case-appeal-until = Can be appealed until
case-accused = Accused
case-sort = Violation
case-bounty = Bounty
case-bounty-is = { $n } x0 to whoever reported it
case-follows = What follows
case-would-follow = What would follow
case-at-seat = What this node’s seat knows
case-sealed = The report came sealed. Only the seats read it, and this page does not show it. At a seat:
case-reporter = Reported by
case-asked = Asked for
case-appeal = The accused says:
stage-reported = reported
stage-reported-is = The committee has the report, and must say whether it looks into it.
stage-opened = looked into
stage-opened-is = The committee looks into it, and must decide.
stage-dismissed = dismissed
stage-dismissed-is = Nothing follows.
stage-announced = decided, not in force
stage-announced-is = A verdict is announced. Nothing is in force while the accused can appeal.
stage-appealed = appealed
stage-appealed-is = The accused has appealed: it is decided anew, and nothing is in force.
stage-overturned = overturned
stage-overturned-is = The verdict has fallen. Nothing follows.
stage-final = final
stage-final-is = The verdict stands, and every node keeps to it.
stage-claimed = final, bounty claimed
stage-claimed-is = The verdict stands, and whoever reported it without a name has taken the bounty.
ended-approvals = Enough of the committee said so.
ended-unreadable = What was sealed was no report.
ended-lapse = Nobody decided in 90 days.
say-open = { $n } say: look into it
say-dismiss = { $n } say: nothing in it
say-find = { $n } say: a violation
say-uphold = { $n } say: it stands
say-overturn = { $n } say: it falls
violation-silent-collection = silent collection of data
violation-behavioural-prediction = prediction of behaviour for control
violation-data-extraction = extraction of data
violation-unauthorized-override = unauthorized override
sentence-suspended = suspended from
sentence-until = until
sentence-probation = on probation until
sentences = Sentences in force
sentences-none = Nobody is suspended, on probation or removed by a verdict.
ledger = Fines and bounties
ledger-what = x0 move only by verdicts that the committee has certified, and every node counts them alike. Who got a bounty is not shown.
ledger-none = No x0 have moved yet.
ledger-fund = Common fund
ledger-issued = Issued so far
ledger-waiting = { $n ->
    [one] { $n } settlement waits for one before it.
   *[other] { $n } settlements wait for one before them.
}
all-of-it = All of it:
x0 = { $n } x0
posting-fine = Fine of
posting-bounty = Bounty to the reporter, from the common fund
posting-bounty-issued = Bounty to the reporter, newly issued
posting-claim = A bounty of a report without a name was claimed
posting-other = Moved from one member to another
column-number = No.
column-what = What
column-amount = How much

## The public log

public-lead = What concerns all of the mesh, for good: overrides, acts on the whole network, votes that passed, halts, verdicts, hand-overs of the committee. Every node has a copy, and nobody can change it unseen.
public-head = What is certified
public-certified = Certified
public-certified-at = by the committee, at height { $n }
public-not-certified = no certificate is known here yet
public-wanted = This node still fetches entries: { $n } are certified.
public-verify = Anybody can check a proof from this page, without a node and without believing this one:
public-filter = Entries shown
public-all = All
public-overrides = Overrides
public-empty-title = The public log is empty
public-empty = The first entry comes with the first vote that passes, the first override, or another thing that concerns all.
overrides-empty-title = There never was an override
overrides-empty = An act in an emergency, without a vote, would stand here for good: who, what, why, where, and what came of it.
public-split = { $n ->
    [one] SOMEBODY SHOWED TWO DIFFERENT LOGS. This node holds the proof:
   *[other] SOMEBODY SHOWED TWO DIFFERENT LOGS, { $n } times. This node holds the proofs, the newest first:
}
public-split-mend = Tell the other members, and give them the proof. To write it to a file:
public-override = An override: an act in an emergency, without a vote
public-broadcast = An override was told to all in time, and stays
public-admitted = An act on the whole network was admitted, by a vote
public-halted = The mesh was halted
public-passed = A vote has passed
public-passed-emergency = An emergency vote has passed
public-handed-over = The committee was handed over: { $seats } seats, epoch { $epoch }
public-verdict = A verdict on a violation of the charter stands
public-act = Act
public-until = Ends by itself
public-vote = Vote
public-subject = About
public-seats = Who sits
public-place = Entry { $index }, at height { $height } of the committee log
public-proof = Save the proof
public-proof-of = of entry { $index }
proof-no-number = That is no entry: its place is a number.
override-who = Who
override-what = What
override-where = Where
override-why = Why
override-consequences = Consequences
override-stays = told to all in time: it stays
override-lapsed = not told to all in time: it has lapsed
override-open = still to be told to all, or it lapses
override-runs-here = runs on this node
