//! Who owns what after a change, and what an applied configuration makes of an object: the heart of
//! structured-merge-diff, for objects of one shape in all their versions.

use super::managed::{Managed, Owned, Owner};
use super::set::{Path, Set};
use super::typed::{compare, fields_of, merge, remove};
use serde_json::Value;
use teu_kubernetes::Schema;

/// One change.
pub(super) struct Change<'a> {
    pub(super) schema: &'a Schema,
    pub(super) api_version: &'a str,
    /// What the target of the request cannot change, so nobody comes to own it by it.
    pub(super) ignored: &'a Set,
}

/// Fields that others own and a configuration wants to be otherwise.
pub(super) type Conflicts = Vec<(Owner, Path)>;

impl Change<'_> {
    /// Owners after an object has been written: the writer gains what differs, all lose it.
    pub(super) fn update(&self, old: &Value, new: &Value, managed: &mut Managed, writer: &Owner) {
        self.reconcile(managed);
        let comparison = compare(old, new, self.schema).without(self.ignored);
        let changed = comparison.added.clone().union(&comparison.modified);
        for (owner, owned) in managed.iter_mut() {
            if owner != writer {
                owned.set = owned.set.difference(&changed);
            }
            owned.set = owned.set.difference(&comparison.removed);
        }
        let gained = managed.entry(writer.clone()).or_insert_with(|| self.nothing());
        gained.set = std::mem::take(&mut gained.set).union(&changed);
        managed.retain(|_, owned| !owned.set.is_empty());
    }

    /// The object with a configuration applied, and its owners.
    pub(super) fn apply(
        &self,
        live: &Value,
        applied: &Value,
        managed: &mut Managed,
        applier: &Owner,
        force: bool,
    ) -> Result<Value, Conflicts> {
        self.reconcile(managed);
        let merged = merge(live, applied, self.schema);
        let set = fields_of(applied, self.schema).recursive_difference(self.ignored);
        let last = managed
            .insert(applier.clone(), Owned { set, ..self.nothing() })
            .map(|owned| (owned.set, owned.time));
        if let (Some((_, time)), Some(owned)) = (&last, managed.get_mut(applier)) {
            owned.time.clone_from(time);
        }
        let new = match last {
            Some((last, _)) if !last.is_empty() => self.prune(merged, managed, &last),
            _ => merged,
        };
        self.take_over(live, &new, managed, applier, force)?;
        Ok(new)
    }

    fn nothing(&self) -> Owned {
        let api_version = self.api_version.to_owned();
        Owned { api_version, set: Set::default(), time: None }
    }

    /// Sets of owners from before a type became atomic.
    fn reconcile(&self, managed: &mut Managed) {
        for owned in managed.values_mut() {
            owned.set = owned.set.as_schema_sees(self.schema);
        }
    }

    /// Others lose what the applier changes; that is a conflict if it is not forced.
    fn take_over(
        &self,
        live: &Value,
        new: &Value,
        managed: &mut Managed,
        applier: &Owner,
        force: bool,
    ) -> Result<(), Conflicts> {
        let comparison = compare(live, new, self.schema).without(self.ignored);
        let changed = comparison.added.union(&comparison.modified);
        let mut conflicts = Vec::new();
        for (owner, owned) in managed.iter_mut().filter(|(owner, _)| *owner != applier) {
            let lost = owned.set.intersection(&changed);
            conflicts.extend(lost.paths().into_iter().map(|path| (owner.clone(), path)));
            owned.set = owned.set.difference(&lost).difference(&comparison.removed);
        }
        if !force && !conflicts.is_empty() {
            return Err(conflicts);
        }
        managed.retain(|_, owned| !owned.set.is_empty());
        Ok(())
    }

    /// Takes away what the applier had applied before, does not apply now, and nobody else claims.
    fn prune(&self, merged: Value, managed: &Managed, last: &Set) -> Value {
        let schema = self.schema;
        let named = |set: &Set| set.with_named_fields(schema);
        let without = |value: &Value, set: &Set| remove(value, set, schema).unwrap_or(Value::Null);
        let last = named(last);
        let pruned = without(&merged, &last);
        let claimed = managed.values().fold(Set::default(), |all, owned| all.union(&owned.set));
        let merged_set = named(&fields_of(&merged, schema));
        let pruned_set = named(&fields_of(&pruned, schema));
        let kept = pruned_set.union(&named(&claimed));
        let pruned = without(&merged, &merged_set.difference(&kept));
        let pruned_set = named(&fields_of(&pruned, schema));
        without(&merged, &merged_set.difference(&pruned_set).intersection(&last))
    }
}
