import { readSwiss } from '../oracle/real-files.ts';
import { realDataSuite } from '../support/real-data-suite.ts';

realDataSuite({ preset: 'swiss', file: 'swiss_15min_537/elcons_15min_537x7weeks_wide.csv.gz', read: readSwiss, region: 'swiss' });
