import { readEdrp } from '../oracle/real-files.ts';
import { realDataSuite } from '../support/real-data-suite.ts';

realDataSuite({ preset: 'edrp', file: 'edrp_scotland_622/edrp_622_halfhourly_wide.csv.gz', read: readEdrp, region: 'edrp-scotland' });
