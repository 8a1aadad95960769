//! The lookup itself, over the text of the files.

use super::{Error, MAX_ID, User};

const PASSWD: &str = "/etc/passwd";
const GROUP: &str = "/etc/group";

/// `user[:group]` and further groups.
pub fn user(
    passwd: Option<&str>,
    group_file: Option<&str>,
    wanted: &str,
    additional: &[String],
) -> Result<User, Error> {
    let (name, group_name) = wanted.split_once(':').unwrap_or((wanted, ""));
    let id = if name.is_empty() { Some(0) } else { number(name)? };
    let mut user = User { home: "/".to_owned(), ..User::default() };
    match passwd.and_then(|text| find(text, name, id)) {
        Some(fields) => {
            user.uid = field_id(&fields, 2, PASSWD)?;
            user.gid = field_id(&fields, 3, PASSWD)?;
            user.home = fields.get(5).filter(|home| !home.is_empty()).unwrap_or(&"/").to_string();
            user.name = Some(fields[0].to_owned());
        }
        None => user.uid = id.ok_or_else(|| Error::NoUser(name.to_owned()))?,
    }
    if group_name.is_empty() {
        if let Some(name) = &user.name {
            user.additional_gids = memberships(group_file.unwrap_or_default(), name)?;
        }
    } else {
        user.gid = match group(group_file, group_name) {
            Err(Error::NoGroup(_)) if number(group_name)?.is_some() => {
                number(group_name)?.unwrap_or_default()
            }
            other => other?,
        };
    }
    for name in additional {
        let gid = match number(name)? {
            Some(gid) => gid,
            None => group(group_file, name)?,
        };
        user.additional_gids.push(gid);
    }
    // The primary group counts among them, or dropping it would be a way past a group's denial
    // (CVE-2022-2989 and its kin).
    let mut groups = vec![user.gid];
    for gid in user.additional_gids {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    user.additional_gids = groups;
    Ok(user)
}

/// A group's number by its name or number.
pub fn group(group_file: Option<&str>, name: &str) -> Result<u32, Error> {
    match find(group_file.unwrap_or_default(), name, number(name)?) {
        Some(fields) => field_id(&fields, 2, GROUP),
        None => Err(Error::NoGroup(name.to_owned())),
    }
}

/// A number in range; none for what is a name, an error for a number out of range.
pub fn number(text: &str) -> Result<Option<u32>, Error> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(None);
    }
    match text.parse::<i64>().map(u32::try_from) {
        Ok(Ok(id)) if id <= MAX_ID => Ok(Some(id)),
        _ => Err(Error::Range(text.to_owned())),
    }
}

/// The first line with that number, or else that name.
fn find<'a>(text: &'a str, name: &str, id: Option<u32>) -> Option<Vec<&'a str>> {
    lines(text).find(|fields| match id {
        Some(id) => fields.get(2).is_some_and(|field| field.trim().parse() == Ok(id)),
        None => fields[0] == name,
    })
}

/// Groups that list the user as a member.
fn memberships(text: &str, name: &str) -> Result<Vec<u32>, Error> {
    lines(text)
        .filter(|fields| {
            fields.get(3).is_some_and(|members| members.split(',').any(|m| m.trim() == name))
        })
        .map(|fields| field_id(&fields, 2, GROUP))
        .collect()
}

fn lines(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split(':').collect())
}

/// A wrong number in the line that was asked for is an error: it must not become 0, which is root.
fn field_id(fields: &[&str], at: usize, file: &'static str) -> Result<u32, Error> {
    let malformed = || Error::Malformed { name: fields[0].to_owned(), file };
    let text = fields.get(at).ok_or_else(malformed)?.trim();
    number(text)?.ok_or_else(malformed)
}
