# The dashboard in English. The Russian file has the same messages in the same order.

## The frame of every page

page-overview = Overview
page-map = Map
page-peers = Peers
page-acts = Acts
page-capabilities = Capabilities
page-charter = Charter
page-cases = Violations
page-public = Public log
page-audit = Audit log
page-about = About
group-mesh = Mesh
group-power = Acts
group-charter = Rules
group-logs = Logs
group-help = Help
navigation = Pages
languages = Language
skip = Skip to the content
live-on = Live
live-waiting = Reconnecting…
live-off = Reload to refresh
live-ended = Session ended: open a new link from the node
not-found-title = There is no such page
not-found = The address leads nowhere. Begin again at
trouble-title = The node cannot show this now
trouble-mend = See the node’s log for the cause. If the node is stopping or starting, reload this page in a few seconds.

## Figures, times, lists

number = { $n }
members-count = { $n ->
    [one] { $n } member
   *[other] { $n } members
}
entries-count = { $n ->
    [one] { $n } entry
   *[other] { $n } entries
}
span-ms = { $n } ms
span-s = { $n } s
span-min = { $n } min
span-h = { $n } h
span-d = { $n } days
sheets = Further entries
sheet-of = { $n } of { $of }
sheet-before = ← Before
sheet-after = After →
this-node-note = this node
founder = founder
column-node = Node
column-state = State
column-direction = Opened
column-up-since = Up since
column-invited-by = Invited by
column-region = Region
column-since = Member since
column-signed = Signed

## Overview

overview-node = You are looking from node
notice-not-a-member = This node is no longer a member of the mesh. It can look on, but it can neither write nor act: join again with a new invite.
notice-not-ready = This node is still asking its peers for the newest record of its own chain, so that it never writes one place twice. That takes seconds; until then it neither writes nor acts.
notice-alone = No link is open: what happens elsewhere does not reach this node. It keeps trying; check that others are running and reachable.
notice-only-member = You are the only member so far. Make an invite and give it to somebody:
notice-test-mesh = This is a test mesh: { $n } seconds of mesh time pass in each second.
notice-halted = THE MESH IS HALTED. No policy changes anywhere. Halt { $halt } lapses in { $span }, or ends by an emergency vote. This node alone can still be changed by its operator.
notice-halted-unconfirmed = THE MESH IS HALTED by its witnesses. No policy changes anywhere. Halt { $halt } ends in { $span } unless the committee or a jury confirms it.
notice-restarting = The halt is over. Nodes start again one after the other; this one takes up changes in { $span }.
notice-frozen = { $n ->
    [one] { $n } delegation root is frozen on this node after an anomaly: its acts are refused here.
   *[other] { $n } delegation roots are frozen on this node after an anomaly: their acts are refused here.
}
tile-links = Links
tile-links-of = { $n } of { $of }
tile-links-all-up = as many as wanted
tile-links-healing = healing: more are being opened
tile-records = Records
tile-records-waiting = { $n ->
    [one] { $n } waits for one it builds on
   *[other] { $n } wait for one they build on
}
tile-audit = Audit entries
tile-repair = Last repair
tile-repair-took = from a lost link to a new one
tile-repair-none = no link had to be replaced yet
protection = Protection in force
protection-reach = An act may touch at most { $n } of { $of } nodes. Anything wider is refused by every target.
protection-removal = Removing a member takes the word of { $n } of { $of } seats.
protection-recheck = Every target checks each act again: its token, its limits, its expiry, its version.
protection-log = What this node does and refuses goes into a log that its peers watch; it cannot be rewritten unseen.
protection-no-committee = No committee exists yet. Wide acts need one, so they stay impossible rather than unguarded.
protection-no-certificates = The committee certifies nothing yet. Wide acts need its certificate, so they stay impossible rather than unguarded.
protection-committee = The committee log stands at block { $height }; { $linked } of { $seats } seats are linked, and { $quorum } must be for anything to be decided.
protection-own-clock = Nobody certifies the time yet: expiry goes by this node’s own clock.
policies = Policies in force
policies-none = No policy is set.
policy-version = { $n ->
    [0] as it came
    [one] changed { $n } time
   *[other] changed { $n } times
}
feed = What just happened
feed-empty-title = Nothing yet
feed-empty = Links, records, acts and refusals appear here as they happen.

## What happens

event-linked = Linked to
event-unlinked = Link lost to
event-turned-away = Turned away
event-joined = New member
event-gone = Member gone
event-rejected = Refused a record from
event-recorded = New record, { $kind }, by
event-executed = Act executed on this node
event-refused = Act refused on this node
event-outcome-executed = Act executed by
event-outcome-refused = Act refused by
event-caught-up = Caught up ({ $received } records in, { $sent } out) with
event-fork = Two different records at place { $n } of the chain, both signed by
event-public = Entry { $index } of the public log:
event-two-public-logs = The committee certified two public logs that contradict each other, at heights { $first } and { $second }
event-override-stays = An override was told to all in time and stays:
event-override-lapsed = An override was not told to all in time and has lapsed:
event-split-view = Audit log contradicts its earlier head:
event-healed = Lost link replaced in { $span } by
event-decided = The committee decided block { $height }
event-keys-made = The committee made its keys, epoch { $epoch }
event-seats = The committee:
event-share-lost = This seat has no share of the committee's key:
event-proposed = An act of this node:
event-cosign-asked = Asks this node to co-sign:
event-approval-asked = Asks this node to approve:
event-anomaly = Unusual acts, to be looked at, by
event-anomaly-critical = Critical anomaly in acts of
event-frozen = Frozen here: the delegation root { $root }
event-halted = The mesh is halted: halt { $halt }
event-halted-unconfirmed = The mesh is halted by its witnesses: halt { $halt }
event-halt-ended = The halt { $halt } is over
event-vote = Vote:
event-charter = Charter number { $number } is in force
event-erased = Has erased what this node asked for:
event-case = Reported violation
event-sublime-guardian = A member serves as a guardian, or no longer
event-sublime-item = An item of Sublime was put
event-sublime-request = A member asks for an item of Sublime
event-sublime-rotation = The committee speaks of a rotation of guardians
event-sublime-forget = An item of Sublime is to be forgotten
event-sublime-drill = A guardian has tried what it keeps
event-sublime-attestation = A trustee has said whether a recovery comes from the owner
event-sublime-trustees = The trustees of an item are revoked
event-invited = Asks this member to serve as a guardian:
event-invite-accepted = Serves as a guardian, as it was asked to from here:
event-invite-declined = Declines to serve as a guardian:
event-forgot = Its share of an item is destroyed, says
event-rotation-open = The shares of an item are dealt on to other guardians
event-rotation-over = The shares of an item were dealt on: the new ones count
event-bad-dealer = A guardian dealt something wrong and has no part in it:
event-share-not-made = This node has no share after a rotation
event-content-held = { $n ->
    [one] This node holds the { $n } block of the item:
   *[other] This node holds all { $n } blocks of the item:
}
event-content-repaired = { $n ->
    [one] { $n } block that was lost or damaged here is back:
   *[other] { $n } blocks that were lost or damaged here are back:
}
event-content-stored = All content is on { $tier } of the item:
event-content-trouble = The content is not as it should be here:
event-content-lost = Copies were lost: { $copies } counted after { $before }, and { $needed } are enough:
event-content-safe = The item is safe, { $copies } copies were counted and { $needed } are enough:
event-content-not-safe = The item is not safe any more, { $copies } of { $needed } copies were counted:
event-tier-peer = Content can be exchanged with
event-released = { $n ->
    [one] { $n } part was released for a request of this node
   *[other] { $n } parts were released for a request of this node
}
event-audit = Round { $n } of the audits
event-ready = { $n ->
    [0] Ready to write
    [one] Ready to write; { $n } peer vouched for the head of the chain
   *[other] Ready to write; { $n } peers vouched for the head of the chain
}
entry-executed = Act executed, asked by
entry-refused = Act refused, asked by
entry-local = This node changed, asked by
entry-account = Told what this node collects to
entry-account-refused = Did not tell what this node collects to
entry-share-kept = Keeps a share of an item for
entry-share-dealt-on = Keeps a share of an item that was dealt on to it
entry-share-destroyed = Destroyed its share of an item: it was dealt on to others
entry-attested = Enough trustees have attested a recovery: the time begins in which the owner can stop it
entry-released = Released its part of an item, as was decided, to
entry-local-refused = Change of this node refused, asked by
entry-wrote = Wrote a record: { $kind }
entry-erased = { $n ->
    [one] What { $n } record said is erased here, as asked by its author
   *[other] What { $n } records said is erased here, as asked by their author
}
entry-two-heads = Two signed heads of size { $n } with different roots, of
entry-split-view = Contradicting audit log of size { $n } shown by
kind-genesis = genesis
kind-invite = invite
kind-join = join
kind-leave = departure
kind-removal = removal
kind-merge = merge
kind-capability = capability
kind-revocation = revocation
kind-act = act
kind-alert = alert
kind-audit-round = round of audits
kind-audit-report = report of an audit
kind-halt = halt
kind-jury = word to or of a jury
kind-keys = keys of the committee
kind-checkpoint = checkpoint
kind-vote = notice of a vote
kind-hand-over = hand-over of the committee
kind-recovery = word for a new committee
kind-charter = charter
kind-erasure = erasure
kind-ruling = step in a case
kind-report = report of a violation
kind-sealed-report = sealed report
kind-case-word = word on a case
kind-appeal = appeal
kind-claim = claim of a bounty
kind-guardian = word of a guardian
kind-manifest = item of Sublime
kind-access-request = request for an item
kind-rotation = an item’s shares are dealt on
kind-forget = an item is to be forgotten
kind-call = call in an emergency
kind-card-revoked = a recovery card counts no longer
kind-onion = onion address of a node
kind-drill = guardian’s word on a drill
kind-attestation = trustee’s word about a recovery
kind-trustees-revoked = an item’s trustees count no longer
kind-unknown = kind { $number }, unknown to this version

## Map

map-lead = What this node knows first-hand: its own links, and who invited whom.
map-as-list = The same as a list
map-drawing = Drawing of the mesh
map-summary = This node with { $links } links; { $others } other members
map-preview = { $links } linked, { $others } other members known
map-open = Open the map
map-own = this node
map-linked = linked
map-member = member
map-link = link
map-invite = invited by
map-hidden = { $n ->
    [one] { $n } more member is not drawn.
   *[other] { $n } more members are not drawn.
}
map-choose-title = Choose a node
map-choose = Click a node, or move to it with the Tab key and press Enter. What this node knows about it appears here.
details-name = Full name
details-link = Link
details-witness = Holds our log up to
details-head = Its own log
details-unknown = not known as a member
details-unknown-why = The name may be of another mesh, of an agent without a node, or of a member whose join has not arrived here yet.

## Peers

peers-lead = A link is an open, mutually authenticated connection between two members. The node keeps up as many as its policy says and replaces those it loses.
links = Links
links-empty-title = No link is open
links-empty = If you are the only member, invite somebody. Otherwise the node is already trying the members it knows.
link-up = up
link-greeting = greeting
link-dialled = by this node
link-accepted = by the other
members = Members
standing-active = member
standing-left = left
standing-removed = removed
standing-displaced = displaced

## Acts

acts-lead = An act asks nodes for a change. Every target decides for itself whether it may.
acts-reach = With a token alone it may touch { $n } of { $of } nodes.
acts-empty-title = No act yet
acts-empty = An agent with a capability token proposes one; its targets answer within seconds.
act-by = Asked by
act-here = Here:
act-not-for-us = Not meant for this node. What its targets did is told to the agent alone.
act-each-target = Target by target
act-more-targets = More targets are not shown; see them all with
targets-nodes = { $n ->
    [one] { $n } target
   *[other] { $n } targets
}
targets-region = everybody in region { $region }
targets-all = all members
tally-executed = { $n } executed
tally-refused = { $n } refused
tally-open = { $n } not answered yet
tally-silent = { $n } never answered
tally-none = no answers yet
outcome-executed = executed
outcome-refused = refused
outcome-silent = no answer

## What waits for a person, and acts on their way

notice-out-of-touch = Nothing was heard of the committee for over two hours. It is down, or this node is cut off from the mesh: acts on it are refused.
notice-cosign = { $n ->
    [one] One act waits for your word: this node was drawn for it.
   *[other] { $n } acts wait for your word: this node was drawn for them.
}
cosign-title = { $n ->
    [one] An act waits for your word
   *[other] { $n } acts wait for your word
}
cosign-lead = The beacon drew this node, and nobody could choose it. Each says in which role it was drawn.
cosign-role = Asked as
cosign-role-cosigner = co-signer: every one drawn must sign
cosign-role-signatory = signatory: { $n } of { $of } must approve
approve-sign = Approve
approve-refuse = Refuse
approve-final = Either answer is final. The act goes on without you if enough others approve.
cosign-here = On this node
cosign-reach = Counts as
cosign-reach-of = { $n } of { $of } members, with all else that its root or change did in 24 hours
cosign-until = To be signed by
cosign-sign = Co-sign
cosign-refuse = Refuse for good
cosign-final = Either answer is final. A refusal ends the act.
proposals-title = Acts of this node on their way
proposal-asked = asked of the committee
proposal-publishing = admitted as an override, waits for the public log
cosign-override = An override, without a vote, because
cosign-consequences = What will come of it
proposal-agreed = { $n } of { $of } targets agree
proposal-cosigned = { $n } of { $of } co-signers have signed
proposal-approved = { $n } of { $of } approvals are there
proposal-written = written
proposal-failed = over
cosigner-signed = signed
cosigner-refused = refused
cosigner-silent = no answer yet

## Capabilities

capabilities-lead = A capability token says what an agent may do, and within what limits. Whoever holds one can narrow it for somebody else, but never widen it.
capabilities-empty-title = No token is known here
capabilities-empty = Grant one to an agent, and every node of the mesh learns of it:
token-in-force = in force
token-not-accepted = not accepted here
token-expired = expired
token-revoked = revoked
token-holder = Holder
token-publisher = Made known by
token-root = Root
token-record = Record
token-limits = Limits
token-unlimited = The token itself sets no limit; the mesh’s own limits hold all the same.
token-narrowed = added in narrowing { $n }
token-accept-how = This node takes no acts under this root. To change that:
caveat-actions = Only for: { $actions }
caveat-scope-local = Touches the holder’s own node only
caveat-scope-regional = Reaches at most 100 nodes of a region
caveat-scope-network = May reach any part of the mesh
caveat-nodes = { $n ->
    [one] Touches at most { $n } node
   *[other] Touches at most { $n } nodes
}
caveat-share = Touches at most { $share } of the mesh
caveat-until = Valid until
caveat-peer-signature = Needs the signature of at least one peer
caveat-any-vote = Needs a vote that passed
caveat-vote = Needs the vote on
caveat-multi-sig = Needs the approval of { $n } of { $of } drawn signatories

## Audit log

audit-lead = What this node did and what it refused, hashed so that no entry can be changed or dropped without its peers noticing.
audit-head = Head of the log
audit-size = Entries
audit-root = Root
audit-witnesses = Peers that hold a head of it
audit-witnesses-none = None yet. The head is told to linked peers some seconds after each entry.
audit-countersigned = Its head of { $size } entries is countersigned by { $by } of the { $of } members drawn to witness it: no other log of that time can be shown with as many.
audit-verify = Verify
audit-verify-what = Reads every entry from disk, hashes them all, and compares the result with the head that this node shows to others.
audit-verify-now = Verify now
audit-verify-again = Verify again
audit-verify-elsewhere = The same on the command line:
audit-holds = { $n ->
    [0] The log is empty, and the head says so.
    [one] The only entry on disk leads to the head.
   *[other] All { $n } entries on disk lead to the head.
}
audit-broken = The entries on disk do not lead to the head ({ $n } read). The log was altered or is damaged: keep the data directory as it is and ask a peer for the head it holds.
audit-witnessed = { $n ->
    [0] No peer holds a head of it yet, so only this machine vouches for it.
    [one] { $n } peer holds a head of it and would notice a rewritten log.
   *[other] { $n } peers hold heads of it and would notice a rewritten log.
}
audit-entries = Entries
audit-empty-title = The log is empty
audit-empty = The first entry comes with the first record, act or refusal of this node.
audit-seen = Heads of others
audit-seen-what = This node keeps the newest head of each linked peer and checks that the log behind it only grew.
audit-seen-none = None seen yet.

## About

about-lead = x0 is a mesh of equal nodes that agree on facts, let agents act only within what they were granted, and keep account of all of it. This page shows it as your own node sees it.
about-words = The words
word-mesh = Mesh
word-mesh-is = All who joined under the same first record, the genesis. Its name and limits stand there.
word-member = Member
word-member-is = A node that came in by the genesis or by the invite of a member. Its name is its public key; the end of it is shown.
word-link = Link
word-link-is = An open connection between two members who have shown each other their keys.
word-record = Record
word-record-is = A signed fact. Each author’s records form a chain, and every member holds them all.
word-capability = Capability
word-capability-is = A token that says what its holder may ask of nodes, and within what limits.
word-act = Act
word-act-is = A change asked of nodes by an agent with a capability. Each target checks it and executes or refuses it.
word-audit = Audit log
word-audit-is = A node’s own account of what it did and refused. Peers hold its heads, so that nothing vanishes unseen.
about-protected = What protects you now
about-protected-acts = No act reaches further than its token and the mesh’s limit allow; each target makes sure of it.
about-protected-log = Nobody can rewrite a node’s log, its owner included, without its peers noticing.
about-protected-page = This page loads nothing from elsewhere, and only the node itself serves it.
about-unprotected = What does not, yet
about-unprotected-committee = No committee, no votes, no stop for everybody: acts that would need them are refused.
about-unprotected-machine = Whoever controls this machine controls this node and its keys.
about-unprotected-traffic = Whoever watches the network sees that nodes are connected, though not what they say.
about-commands = On the command line
command-status = how the node and its mesh are
command-invite = opens the door for one newcomer
command-cap-grant = grants a capability to an agent
command-act-propose = asks nodes for a change
command-audit-verify = checks the log against its head
command-help = all the others
about-page = This page
about-page-live = It follows the node’s events and refreshes what has changed. Without scripts everything works too; reload it to refresh.
about-page-keys = Tab moves from one thing to the next, Enter opens it. The map’s nodes can be reached the same way.
about-rules = rules of validity { $n }
about-mesh-id = mesh
