//! `Scale`: a document that other kinds' subresources are. It is not stored, so all it has is columns.

use super::super::field::At;
use super::super::kind::Kind;
use super::super::print;

pub const RULES: Kind = Kind {
    columns: "Name,Desired:integer,Available:integer,Age",
    cells: |object, now| {
        let scale = At::root(object);
        vec![
            print::name(object),
            scale.get("spec.replicas").int().into(),
            scale.get("status.replicas").int().into(),
            print::age(object, now),
        ]
    },
    ..Kind::namespaced()
};
