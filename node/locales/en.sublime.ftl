# Sublime in English: the dashboard’s pages of items and of the guardian. The Russian file has the same messages in the same order.

page-sublime = Sublime
page-guardian = Guardian
group-content = Content

size-b = { $n } B
size-kib = { $n } KiB
size-mib = { $n } MiB
size-gib = { $n } GiB

## What Sublime is, and what protects items

sublime-lead = Sublime keeps files that people depend on. A file is sealed on the machine of whoever puts it, and what opens it is given away in parts: to guardians, who are members, and to the committee. From then on it opens by a vote of all members, on the machine of the one who asked. Whoever put it cannot open it alone either.
sublime-tile-serving = Guardians
sublime-tile-serves = this member among them
sublime-tile-serves-not = this member is none
sublime-tile-shares = Shares that open
sublime-tile-shares-now = of what is put from here now
sublime-tile-shares-none = too few serve to put anything
sublime-tile-undecided = Undecided
sublime-tile-undecided-is = requests that members decide
sublime-protection = What protects items now
sublime-shares = What is put from this node now opens with { $n } of { $of } shares, each kept by another member who agreed to. Fewer shares say nothing about the key.
sublime-too-few = Nothing can be put from this node: { $n } other members serve as guardians, and it takes { $needed }.
sublime-committee = The other part of the key needs the seats of the committee together. Guardians alone open nothing, and the committee alone opens nothing.
sublime-no-committee = The committee has no keys that are known here: nothing can be put, and nothing opens.
sublime-vote = A node releases its part only once a vote of all members about that very request has passed, which whoever asks has proposed, with a window of { $n } hours or longer. No jury can stand in for it, but for an item with a recovery card: there somebody who holds the card can call, and the jury of the day decides.
sublime-logged = Each release stands in the audit log of the node that makes it before anything is sent.
sublime-not-together = Guardians who kept enough shares, and the committee, can open an item together without any vote. That is for people to prevent: no program can.
sublime-not-back = What was once opened stays opened for whoever was let in.
sublime-not-anew = Shares are dealt on to other guardians every six months, by a vote, or when a guardian leaves. Three who kept copies of their old ones past their nodes could still use these.
sublime-not-hidden = Every member can ask, and every member reads who asks, for which item and why.
sublime-rules = How many shares, in meshes of all sizes
sublime-rule-full = Ten other members serve, or more: 3 of 10.
sublime-rule-middle = Five to nine: 3 of all of them.
sublime-rule-small = Three or four: 2 of all of them.
sublime-rule-few = Fewer: nothing can be put.
sublime-rule-now = here, now
sublime-how = What you can do
sublime-how-put = Put a file. Keep it elsewhere too if you need it: you cannot open it alone afterwards.
sublime-how-request = Ask for an item. That opens a vote of all members.
sublime-how-get = Open it, once a vote has granted the request.
sublime-how-list = See all items and requests.
sublime-how-serve = Keep shares for others:

word-item-is = A file that was sealed and put into Sublime. It opens by a vote of all members, for the one who asked.
word-guardian-is = A member who has agreed to keep shares of the keys of others’ items, and their sealed content.

## Requests

sublime-requests = Requests
sublime-requests-empty-title = Nobody has asked for an item
sublime-requests-empty = A request and its reason appear here at once, for every member, and so does what becomes of it.
request = Request
request-by = Asked by
request-when = When
request-vote = Vote
request-ballot = Your vote
request-released-here = Released from here
request-undecided = undecided
request-undecided-is = Members decide. Until a vote about it has passed, no node releases anything.
request-passed = passed
request-passed-is = The vote has passed, and this node does not act on it yet: first comes the time in which a false count can be shown.
request-granted = granted
request-granted-is = Guardians and seats release their parts, to the key of this request and to nothing else.
request-denied = denied
request-denied-is = The vote ended otherwise. That is final for this request; whoever asks can ask anew.
request-over = over
request-by-trustees-is = The trustees whom the owner named decide about it, and no vote: the owner lost every device.
request-over-is = It is too old: nothing is released for it any more.
request-propose-how = There is no vote about it yet. To propose one:
request-arrived = Have come to this node: shares, { $shares } ({ $needed } open it); parts of seats, { $seats }.
request-get-how = To open it:
vote-none = none is known here yet
vote-open = open
vote-until = until
vote-counted = counted; a false count can still be shown
vote-passed = passed
vote-rejected = rejected
vote-no-quorum = too few took part
vote-void = void
ballot-sending = on its way
ballot-taken = it counts
ballot-refused = it does not count

## Items

sublime-items = Items
sublime-items-empty-title = No item is known here
sublime-items-empty = Whatever somebody puts stands here for all, under a name that says nothing about it.
sublime-titles = Titles are sealed with the content, so that an item shows its name only.
item = Item
item-opens = { $n } of { $of } shares open it
item-size = { $size } at most
item-share-here = a share is kept here
item-ask = To ask for it:
item-not-known = not known yet

## The guardian

guardian-lead = Guardians are members who have agreed to keep what opens others’ items: each one share of an item’s key, and the sealed content. Nobody is one without having said so.
guardian-open-disk = The identity of this node has no passphrase: whoever takes this disk can open the shares on it. To seal the identity:
guardian-left = { $n ->
    [one] This member serves no longer, and its node still keeps { $n } share. Its item depends on it: keep the node running.
   *[other] This member serves no longer, and its node still keeps { $n } shares. Their items depend on them: keep the node running.
}
guardian-no-content = The sealed content on this disk cannot be looked at:
guardian-tile-shares = Shares kept
guardian-tile-content = Sealed content
guardian-tile-content-is = { $n ->
    [one] on this disk; exchanged with { $n } node
   *[other] on this disk; exchanged with { $n } nodes
}
guardian-tile-released = Released so far
guardian-state = This member
guardian-serves = serves
guardian-serves-is = It can be drawn to guard whatever another member puts.
guardian-serves-not = does not serve
guardian-serves-not-is = It is drawn to guard nothing.
guardian-all = Members who serve
guardian-now = Put from here now
guardian-serve-how = To serve from now on:
guardian-leave-how = To be drawn no longer, and have the shares dealt on to others:
guardian-means = What it means to serve
guardian-means-keeps = Your node keeps one sealed share of an item’s key and all of its sealed content. You see nothing of it, not even its title.
guardian-means-releases = Your node releases the share by itself as soon as a vote of all members has granted a request, to the key of that request. It does not ask you again.
guardian-means-stays = Others rely on it: keep the node running. If you leave, your shares are dealt on to others and then destroyed here; until that is done your node is still needed. Every six months they are dealt on anyway.
guardian-means-seen = Every member sees that you serve. Whoever puts an item knows that you guard it, and whoever is let in learns it.
guardian-risks = What it risks
guardian-risk-together = Three guardians of an item who hand over their shares (two in the smallest meshes), and the committee its part, open it without any vote. Nobody can take that back.
guardian-risk-disk = A share is sealed for the identity of your node. Without a passphrase on that identity, the share lies open on a seized disk; with one, it is shut while the machine is off.
guardian-risk-pressed = Somebody may press you for a share. One share alone opens nothing, which is why there are several.
guardian-risk-room = You hold content of which you cannot know what it is, and it takes up room on your disk.
guardian-shares = Shares kept here
guardian-shares-empty-title = This node keeps no share
guardian-shares-empty = A member who serves is drawn when somebody puts an item. Its share then stands here.
column-epoch = Epoch
column-share = Share
column-owner = For
column-kept-since = Since
guardian-waiting = Wait for your vote
guardian-waiting-none = No request waits for the vote of this member.
guardian-all-requests = All requests, and how each stands
guardian-released = What this node released
guardian-released-what = The newest first: its share as a guardian, and its part if it holds a seat. All of it stands in the
guardian-released-none = Nothing yet.
item-dealt-on = { $n ->
    [0] Its shares are those of the beginning.
    [one] Its shares were dealt on once.
   *[other] Its shares were dealt on { $n } times.
}
item-rotation-due = They are dealt on again:
item-rotating = shares are being dealt on
item-forgotten = forgotten: its shares are destroyed
guardian-dealt-on = dealt on to this node
guardian-rotating = { $n ->
    [one] One item that this node guards is being dealt on: leave the node running.
   *[other] { $n } items that this node guards are being dealt on: leave the node running.
}
guardian-invited = Asked to serve
guardian-invited-lead = A member asks this one to serve as a guardian. Nobody else sees that. Whoever asked is told the answer.
guardian-invite-accept = Serve
guardian-invite-decline = Decline
guardian-invite-final = What serving means and risks stands below. If you decline, that member cannot ask again for 30 days.
guardian-made = Asked from here
guardian-made-open = no answer yet
guardian-made-declined = declined
guardian-made-how = To ask a member to serve:
guardian-drill = Drill
guardian-drill-is = Before anybody needs it: the node opens each share that it keeps, checks it, and reads a sample of its content. Nothing leaves the node but how many shares are good, which it tells the mesh once a day.
guardian-drill-begin = Try everything now
guardian-drill-runs = a drill runs: { $n } of { $of }
guardian-drill-good = { $n } of { $of } shares good
guardian-drill-none = This node has told of no drill yet.
guardian-drill-nothing = Nothing could be tried:
guardian-drill-not-told = The mesh was not told:
guardian-others = Members who serve, and their last drill
guardian-others-is = What a drill found is the word of the guardian’s own node: it shows who looks after what it keeps, and proves nothing.
guardian-others-never = never told
guardian-others-all = All of them:
column-guardian = Guardian
column-drill = Last drill

## Calls in an emergency

calls = Calls in an emergency
calls-lead = Somebody who holds an item’s recovery card calls for it. The jury of the day decides; neither the committee nor a vote of all members is needed. Nobody knows who calls.
calls-empty-title = Nobody has called
calls-empty = A call appears here at once, at every node. To be drawn for juries:
call = Call
call-label = The item, by its owner
call-label-none = the owner has not said what it is
call-policy = Say yes if, by its owner
call-policy-none = the owner has not said
call-reason = The caller says, to jurors alone
call-reason-none = the caller gives no reason
call-reason-shut = The reason was not sealed to you, or cannot be opened: the caller counted on another jury.
call-when = Called
call-jury = Jury
call-jury-none = none was asked yet
call-votes = { $yes } yes of { $needed } needed, { $no } no, { $jury } jurors
call-until = until
call-you-sit = you sit on it
call-you-said-yes = you said yes
call-you-said-no = you said no
call-you-abstained = you abstained
call-not-you = you were not drawn
call-yes-opens = With enough yes, guardians’ nodes release their shares to the device that calls, for good.
call-veto-none = They do so at once.
call-veto = They do so { $span } after the jury was asked, unless the owner revokes the card before.
call-say-yes = Yes, release it
call-say-no = No
call-final = An answer cannot be changed.
call-unknown = unknown
call-unknown-is = The item of this call is not known here.
call-open = before the jury
call-open-is = Jurors decide. Nothing is released before more than half of them have said yes.
call-in-veto = passed, in the owner’s veto time
call-in-veto-is = The jury has said yes. The owner can revoke the card until
call-granted = granted
call-granted-is = Guardians’ nodes release their shares, to the key of this call and to nothing else.
call-denied = denied
call-denied-is = So many jurors have said no that the others cannot pass it. That is final for this call.
call-revoked = revoked
call-revoked-is = The owner has revoked the card: nothing is released for it any more.
call-over = over
call-over-is = It is too old: nothing is released for it any more.
item-card = It has a recovery card.
item-card-revoked = revoked
