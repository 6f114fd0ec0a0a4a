import { readUci } from '../oracle/real-files.ts';
import { realDataSuite } from '../support/real-data-suite.ts';

realDataSuite({ preset: 'uci', file: 'uci_household_1min/household_1min_2006-12-16_2007-02-28.csv.gz', read: readUci, region: 'sceaux' });
