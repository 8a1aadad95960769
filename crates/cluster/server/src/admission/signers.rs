//! Who may decide on certificates: whoever approves a request, writes its certificate or vouches for a
//! bundle has to have the verb `approve`, `sign` or `attest` on the signer. And nobody gets into the
//! owners' group by asking for a certificate of it.

use super::Subject;
use crate::api::Api;
use crate::auth::{Attributes, Decision};
use crate::certificates;
use serde_json::Value;
use teu_api::admission::Operation;
use teu_api::{Status, object};

const GROUP: &str = "certificates.k8s.io";
const OWNERS: &str = "system:masters";

impl Api {
    /// Judges what is done to requests and bundles.
    pub(super) async fn check_signers(
        &self,
        subject: &Subject<'_>,
        new: &Value,
    ) -> Result<(), Status> {
        let call = subject.call;
        if call.entry.group() != GROUP {
            return Ok(());
        }
        let signer = |object: &Value| {
            object::text(object, &["spec", "signerName"]).unwrap_or_default().to_owned()
        };
        let refuse = |why: String| Err(call.forbidden(&why));
        let old = subject.old.unwrap_or(&Value::Null);
        match (call.entry.plural(), &*call.subresource) {
            ("certificatesigningrequests", "") if subject.operation == Operation::Create => {
                let asks_for_owners = signer(new) == certificates::CLIENT
                    && certificates::groups_of(new).iter().any(|group| group == OWNERS);
                match asks_for_owners {
                    true => refuse(format!(
                        "use of {} signer with {OWNERS} group is not allowed",
                        certificates::CLIENT
                    )),
                    false => Ok(()),
                }
            }
            ("certificatesigningrequests", "approval") => {
                let signer = signer(old);
                match self.may_by_signer(subject, "approve", &signer).await {
                    true => Ok(()),
                    false => refuse(format!(
                        "user not permitted to approve requests with signerName {signer:?}"
                    )),
                }
            }
            ("certificatesigningrequests", "status") => {
                if decided(new) == decided(old) {
                    return Ok(());
                }
                let signer = signer(old);
                match self.may_by_signer(subject, "sign", &signer).await {
                    true => Ok(()),
                    false => refuse(format!(
                        "user not permitted to sign requests with signerName {signer:?}"
                    )),
                }
            }
            ("clustertrustbundles", "") => {
                let signer = signer(new);
                match signer.is_empty() || self.may_by_signer(subject, "attest", &signer).await {
                    true => Ok(()),
                    false => {
                        refuse(format!("user not permitted to attest for signerName {signer:?}"))
                    }
                }
            }
            _ => Ok(()),
        }
    }

    /// On the signer, or on all of its domain.
    async fn may_by_signer(&self, subject: &Subject<'_>, verb: &str, signer: &str) -> bool {
        let domain = signer.split('/').next().unwrap_or_default();
        for name in [signer, &format!("{domain}/*")] {
            let attributes = Attributes {
                user: &subject.call.user,
                verb,
                path: "",
                group: GROUP,
                version: "*",
                resource: "signers",
                subresource: "",
                namespace: "",
                name,
                fields: "",
            };
            if let Decision::Allow(_) = self.authorizer.authorize(self, &attributes).await {
                return true;
            }
        }
        false
    }
}

/// What a signer says of a request.
fn decided(request: &Value) -> (Option<&str>, Vec<&Value>) {
    let conditions = object::at(request, &["status", "conditions"]).and_then(Value::as_array);
    let failed = conditions.into_iter().flatten();
    let failed = failed.filter(|condition| condition["type"] == "Failed").collect();
    (object::text(request, &["status", "certificate"]), failed)
}
