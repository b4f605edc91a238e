//! `If-Match` and `If-None-Match: *` (RFC 9110, 13.1): which version a change is meant to replace.

use axum::http::HeaderMap;
use axum::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};

use super::problem::{BAD_HEADER, ProblemDetails};

/// Entity tags of one header at most.
const TAGS: usize = 16;

/// Which versions a change may replace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Precondition {
    /// The change is made only where the present version is one of these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_match: Option<EntityTags>,
    /// The change is made only where there is none.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub if_none_match: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EntityTags {
    /// `*`
    Any,
    /// What stands between the quotes. Weak ones are the same as no version that there is, and are left out.
    These(Vec<String>),
}

impl Precondition {
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, ProblemDetails> {
        Ok(Self {
            if_match: tags(headers, &IF_MATCH)?,
            if_none_match: match tags(headers, &IF_NONE_MATCH)? {
                None => false,
                Some(EntityTags::Any) => true,
                Some(EntityTags::These(_)) => {
                    return Err(BAD_HEADER.because(format!("{IF_NONE_MATCH}: must be \"*\" here")));
                }
            },
        })
    }

    /// The headers that are read, as `OpenAPI` has parameters.
    pub(super) fn headers() -> [Value; 2] {
        let tags =
            json!({ "type": "string", "minLength": 1, "pattern": r#"^(\*|(W/)?"[!#-~]*"(, (W/)?"[!#-~]*"){0,15})$"# });
        let header = |name: &str, description: &str, schema: Value| json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema });
        let these = "Only where the present version is this `ETag`, or one of a list; `*`: only where there is one.";
        [
            header("If-Match", these, tags),
            header(
                "If-None-Match",
                "Only where there is none.",
                json!({ "type": "string", "enum": ["*"] }),
            ),
        ]
    }
}

fn tags(headers: &HeaderMap, name: &HeaderName) -> Result<Option<EntityTags>, ProblemDetails> {
    let mut tags = None;
    for value in headers.get_all(name) {
        let bad = || BAD_HEADER.because(format!("{name}: must be \"*\", or up to {TAGS} entity tags in quotes"));
        let more = value.to_str().ok().and_then(EntityTags::read).ok_or_else(bad)?;
        tags = Some(match (tags, more) {
            (None, more) => more,
            (Some(EntityTags::These(mut tags)), EntityTags::These(more)) => {
                tags.extend(more);
                EntityTags::These(tags)
            }
            _ => return Err(bad()),
        });
    }
    Ok(tags)
}

// === impl EntityTags ===

impl EntityTags {
    /// Reads a header's value.
    fn read(value: &str) -> Option<Self> {
        let value = value.trim_matches([' ', '\t']);
        if value == "*" {
            return Some(Self::Any);
        }
        let (mut tags, mut rest, mut count) = (Vec::new(), value, 0);
        loop {
            let weak = rest.strip_prefix("W/");
            let (tag, behind) = weak.unwrap_or(rest).strip_prefix('"')?.split_once('"')?;
            if tag.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
                return None;
            }
            if weak.is_none() {
                tags.push(tag.to_owned());
            }
            count += 1;
            rest = behind.trim_start_matches([' ', '\t']);
            if rest.is_empty() && count <= TAGS {
                return Some(Self::These(tags));
            }
            rest = rest.strip_prefix(',')?.trim_start_matches([' ', '\t']);
        }
    }
}

impl Serialize for EntityTags {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Any => serializer.serialize_str("*"),
            Self::These(tags) => serializer.collect_seq(tags),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn of(values: &[&str]) -> Result<Option<EntityTags>, &'static str> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(IF_MATCH, HeaderValue::from_str(value).unwrap());
        }
        let read = Precondition::of(&headers).map_err(|problem| problem.kind.code)?;
        assert!(!read.if_none_match);
        Ok(read.if_match)
    }

    #[test]
    fn tags_are_read_as_the_standard_writes_them() {
        let these = |tags: &[&str]| {
            Ok(Some(EntityTags::These(
                tags.iter().map(|tag| (*tag).to_owned()).collect(),
            )))
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["*"]), Ok(Some(EntityTags::Any)));
        assert_eq!(of(&["\"7\""]), these(&["7"]));
        assert_eq!(of(&["\"7\" ,\t\"8\"", "\"9\""]), these(&["7", "8", "9"]));
        assert_eq!(of(&["\"a,b\", W/\"7\""]), these(&["a,b"]), "a weak one is no version");
        let many = vec!["\"7\""; TAGS + 1].join(", ");
        for bad in [
            "",
            "7",
            "\"7",
            "\"7\"\"8\"",
            "\"7\",",
            "\"7\" \"8\"",
            "*, \"7\"",
            "\"a b\"",
            "w/\"7\"",
            many.as_str(),
        ] {
            assert_eq!(of(&[bad]), Err("bad_header"), "{bad}");
        }
        assert_eq!(of(&["*", "\"7\""]), Err("bad_header"));
    }

    #[test]
    fn what_the_document_allows_is_read() {
        let texts = [
            "*",
            "\"\"",
            "\"7\"",
            "\"7\", W/\"8\"",
            "7",
            "\"7",
            "*, \"7\"",
            "\"7\",",
            "\"a b\"",
            "\"7\"\"8\"",
        ];
        for header in Precondition::headers() {
            let name = HeaderName::try_from(header["name"].as_str().unwrap()).unwrap();
            let allowed = jsonschema::draft202012::new(&header["schema"]).unwrap();
            for text in texts {
                let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::from_static(text))]);
                let read = Precondition::of(&headers);
                assert_eq!(allowed.is_valid(&text.into()), read.is_ok(), "{name}: {text}");
            }
        }
    }
}
