"""The rules that a subscriber keeps; they stand in the AsyncAPI page and in docs/subscribing.md alike."""

RULES = """\
### Order, repeats, replay

1. Order holds within a key. Across keys, and across topics, `ts_position` is the order: one number for each event,
   without gaps. It is the order of recording; `ce_time` is when something happened, and a late event comes late.
2. A message may come again. Remember the highest `ts_position` of each partition: what is not above it is a repeat.
   `identity.merged`, `identity.unmerged` and `identity.split` go under the keys of both customers, so on the events
   topic they may come on two partitions: take each `ts_position` once.
3. All topics but the intake are kept for ever: begin at offset 0 for everything that was ever recorded. A topic that
   was deleted is filled anew from the journal, with the same positions and other offsets.
4. `ts_origin` is `live`, `import` or `replay`. Fold all of them; send nothing to anybody for what is not `live`.
5. Ignore fields and types that you do not know.

### Whose an event is

`ts_customer`, and the key, say whose it was taken to be when it was recorded. That never changes, so after a merge old
events keep their key. Whose it is now follows from the identity events. Customers who were ever named together in an
`identity.merged` or `identity.split` are one family, and so are the `ts_customer` of an event and the `customer` of an
`identity.assigned` that names it. For a customer of no family, `ts_customer` is right. In a family, with all events
taken by `ts_position`, the first of these that applies says whose an event is:

1. An `identity.assigned` whose `event_or_stream` is its `ce_id`, its `ts_stream`, or `contact-` and its `contact_id`:
   the `customer` of the last such. This one counts for events without a `ts_customer` too.
2. `identity.linked` and `identity.blocked`: the customer to whom the identifier belongs now. It belongs to the
   `customer` of its last `identity.linked`, or to the `restored` of an `identity.split` that names it, whichever came
   last. (An identifier is kind, issuer and hash. Only what was linked within the family counts.)
3. `identity.merged`: its `survivor` while it holds, nobody once it was taken back. `customer.erased` and
   `customer.erasure_certified`: the `customer` that they name.
4. An event with a `touch_id`: as the event that this names.
5. Of a stream (`ts_stream`), but not its first event (`ts_revision` 1): as the first, if that has a `ts_customer`.
6. The first of its `ts_identifiers` that belongs to somebody and was never in an `identity.blocked`: that customer.
7. The first of a stream, with a `ts_cause` that is an event you know: as that event.
8. Else its `ts_customer`. But if it was recorded (`ts_position`) between a merge and the `identity.unmerged` that took
   it back, for somebody into whom the `restored` had been merged, a person has to say whose it is: it is nobody's until
   an `identity.assigned` does. Types of the families `identity`, `customer`, `lifecycle` and `target-list` stay with
   their `ts_customer` all the same; those of `prediction` are nobody's for good.

Then follow the merges that hold: `identity.merged` says that `absorbed` is `survivor` from now on, `identity.unmerged`
that `restored` is a customer of their own again, with everybody who had been merged into them.

`touch.retracted` takes back the event that its `touch_id` names: leave it out. `touch.corrected` says what its fields
should have been.

### When somebody is erased

`customer.erased` names a `customer` who asked to be forgotten. Delete every value that you opened or that you keep
under this customer, and every link from your own records to them; totals may stay. The sealed fields of their events
can never be opened again. What comes later under that customer's key is history of nobody you know.

### Personal values

A field marked personal is `{"sealed": …}` on every topic. Whoever has the right asks `POST /v1/reveal` with the ids of
events and a purpose. Identifiers are keyed hashes: the same value has the same hash.

### Beginning without replaying all

`customer-state` holds one document for each customer there is now, under the customer's id, compacted: the last message
of a key counts, and one without a value says that there is no such customer any more (merged into another, or erased).
`position` is the journal position up to which the customer's own events are in the document. To go on with the events
from there, read this topic to its end, then the events topic, and leave out of a customer's events those whose
`ts_position` is not above their document's. When somebody is merged, un-merged, split or given an event, the documents
of everybody concerned are written anew: take those. Time alone moves a stage too; the document follows with the
customer's next event, and `at` is the moment that it speaks of.
"""
