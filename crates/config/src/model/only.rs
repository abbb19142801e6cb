//! For which stacks a registry is.

use std::collections::BTreeSet;

use crate::model::context::Context;

/// The accounts and Regions that a registry is for; none named is any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Only {
    /// Of 12 digits each.
    pub accounts: BTreeSet<String>,
    pub regions: BTreeSet<String>,
}

/// Whether a registry is for the stack that reads the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Here,
    /// For other stacks. To this one it is as if the file did not name it.
    Elsewhere,
    /// The account or the Region would tell, and is not known.
    Unknown,
}

impl Only {
    /// Whether it is for a stack of this account and Region: both must fit.
    pub fn place(&self, context: &Context) -> Place {
        let fits = |named: &BTreeSet<String>, own: Option<&String>| match own {
            _ if named.is_empty() => Some(true),
            own => own.map(|own| named.contains(own)),
        };
        match (
            fits(&self.accounts, context.account.as_ref()),
            fits(&self.regions, context.region.as_ref()),
        ) {
            (Some(false), _) | (_, Some(false)) => Place::Elsewhere,
            (Some(true), Some(true)) => Place::Here,
            _ => Place::Unknown,
        }
    }
}

/// The Regions of this release, of all partitions ("AWS Regions" in the AWS General Reference).
pub(crate) const REGIONS: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "mx-central-1",
    "sa-east-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::arn::is_region;

    #[test]
    fn both_must_fit_and_what_is_not_known_does_not_decide() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let place = |accounts: &[&str], regions: &[&str], account: Option<&str>, region: Option<&str>| {
            let only = Only {
                accounts: set(accounts),
                regions: set(regions),
            };
            only.place(&Context {
                account: account.map(str::to_owned),
                region: region.map(str::to_owned),
                ..Context::of_any_stack()
            })
        };
        let (a, b) = ("111122223333", "444455556666");
        let (here, there) = ("eu-west-1", "us-east-1");
        for (accounts, regions, account, region, expected) in [
            (vec![], vec![], Some(a), Some(here), Place::Here),
            (vec![], vec![], None, None, Place::Here),
            (vec![a, b], vec![], Some(b), Some(here), Place::Here),
            (vec![a], vec![here], Some(a), Some(here), Place::Here),
            (vec![a], vec![here], Some(a), Some(there), Place::Elsewhere),
            (vec![a], vec![here], Some(b), Some(here), Place::Elsewhere),
            (vec![a], vec![here], Some(b), None, Place::Elsewhere),
            (vec![a], vec![here], None, Some(there), Place::Elsewhere),
            (vec![a], vec![here], Some(a), None, Place::Unknown),
            (vec![a], vec![], None, Some(here), Place::Unknown),
            (vec![a], vec![], Some(a), None, Place::Here),
        ] {
            let found = place(&accounts, &regions, account, region);
            assert_eq!(found, expected, "{accounts:?} {regions:?} {account:?} {region:?}");
        }
    }

    #[test]
    fn every_known_region_has_the_form_of_one_and_stands_once() {
        assert!(REGIONS.iter().all(|region| is_region(region)));
        assert!(REGIONS.is_sorted_by(|a, b| a < b));
    }
}
