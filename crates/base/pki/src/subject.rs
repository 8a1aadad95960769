//! Whom a certificate names: its subject's common name and organizations.
//!
//! Why by hand: a whole X.509 library would be needed for two fields; a certificate that comes here
//! was verified by rustls before, so that only the way to the subject has to be walked. What cannot
//! be walked names nobody. RFC 5280, 4.1.

/// The subject of a certificate, as far as access is decided by it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// `CN`: the user.
    pub common_name: Option<String>,
    /// `O`, in order: the user's groups.
    pub organizations: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const OBJECT_ID: u8 = 0x06;
/// `[0] EXPLICIT Version`
const VERSION: u8 = 0xa0;
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

    fn fill(&mut self, mut names: &[u8]) {
        while let Some(mut set) = take(&mut names, SET) {
            while let Some(mut attribute) = take(&mut set, SEQUENCE) {
                let kind = take(&mut attribute, OBJECT_ID);
                let Some(text) = element(&mut attribute)
                    .filter(|(tag, _)| TEXTS.contains(tag))
                    .and_then(|(_, bytes)| std::str::from_utf8(bytes).ok())
                else {
                    continue;
                };
                match kind {
                    Some(id) if id == COMMON_NAME => self.common_name = Some(text.to_owned()),
                    Some(id) if id == ORGANIZATION => self.organizations.push(text.to_owned()),
                    _ => {}
                }
            }
        }
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

/// Takes an element of this kind.
fn take<'a>(bytes: &mut &'a [u8], kind: u8) -> Option<&'a [u8]> {
    element(bytes).filter(|(tag, _)| *tag == kind).map(|(_, content)| content)
}

/// Takes one element: its tag and content.
fn element<'a>(bytes: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let length = if first < 0x80 {
        usize::from(first)
    } else {
        let digits = usize::from(first & 0x7f);
        if digits == 0 || digits > 4 {
            return None;
        }
        let (length, after) = rest.split_at_checked(digits)?;
        rest = after;
        length.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte))
    };
    let (content, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some((tag, content))
}

#[cfg(test)]
mod tests;
