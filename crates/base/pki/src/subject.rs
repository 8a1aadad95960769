//! Whom a certificate names: its subject's common name and organizations.
//!
//! Why by hand: a whole X.509 library would be needed for two fields; a certificate that comes here
//! was verified by rustls before, so that only the way to the subject has to be walked. What cannot
//! be walked names nobody. RFC 5280, 4.1.

use crate::der::{OBJECT_ID, SEQUENCE, SET, element, numbered, take};

/// The subject of a certificate, as far as access is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `CN`: the user.
    pub common_name: Option<String>,
    /// `O`, in order: the user's groups.
    pub organizations: Vec<String>,
}

/// `[0] EXPLICIT Version`
const VERSION: u8 = numbered(0);
/// Kinds of strings whose bytes are text: UTF8String, PrintableString, IA5String.
const TEXTS: [u8; 3] = [0x0c, 0x13, 0x16];
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

impl Subject {
    /// Reads the subject of a certificate in DER.
    pub fn of(certificate: &[u8]) -> Self {
        let mut subject = Self::default();
        if let Some(names) = subject_names(certificate) {
            subject.fill(names);
        }
        subject
    }

    /// Reads a name (`RDNSequence`'s content); whether all of it is text.
    pub(crate) fn of_name(names: &[u8]) -> (Self, bool) {
        let mut subject = Self::default();
        let is_text = subject.fill(names);
        (subject, is_text)
    }

    /// Takes over what names say; whether all of it could be read as text.
    fn fill(&mut self, mut names: &[u8]) -> bool {
        let mut is_text = true;
        while let Some(mut set) = take(&mut names, SET) {
            while let Some(mut attribute) = take(&mut set, SEQUENCE) {
                let kind = take(&mut attribute, OBJECT_ID);
                let Some(text) = element(&mut attribute)
                    .filter(|found| TEXTS.contains(&found.tag))
                    .and_then(|found| std::str::from_utf8(found.content).ok())
                else {
                    is_text = false;
                    continue;
                };
                match kind {
                    Some(id) if id == COMMON_NAME => self.common_name = Some(text.to_owned()),
                    Some(id) if id == ORGANIZATION => self.organizations.push(text.to_owned()),
                    _ => {}
                }
            }
        }
        is_text && names.is_empty()
    }
}

/// The way to the subject: Certificate, TBSCertificate, then over version, serial number, signature,
/// issuer and validity.
fn subject_names(mut certificate: &[u8]) -> Option<&[u8]> {
    let mut outer = take(&mut certificate, SEQUENCE)?;
    let mut body = take(&mut outer, SEQUENCE)?;
    if body.first() == Some(&VERSION) {
        element(&mut body)?;
    }
    for _ in 0..4 {
        element(&mut body)?;
    }
    take(&mut body, SEQUENCE)
}

#[cfg(test)]
mod tests;
